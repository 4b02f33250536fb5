// An engine in memory for one hostname: as many control channels as asked for, the three conflict policies, and a say in what
// it refuses. For tests of who holds a tunnel over hours, where sockets would only cost time.

import { create } from '@bufbuild/protobuf';
import { TunnelPropertiesSchema } from '../../generated/protobuf/rstream_pb.js';
import type { ChannelEnd, ControlChannel, Tunnel, TunnelEnd } from '../../src/rstream/client-types.ts';
import { EngineError, TransportError } from '../../src/rstream/errors.ts';

export type Policy = 'refuse' | 'takeover' | 'share';

export class MemoryEngine {
  readonly policy: Policy;
  /** Every claim there was: the name of the client, in order. */
  readonly claims: string[] = [];
  /** Requests for the tunnel, granted or not. */
  requests = 0;
  /** Refuses every request with this code. */
  refusal: number | undefined;
  /** A client that is gone and whose name the engine has not let go of yet. */
  ghost = false;
  #holders: MemoryTunnel[] = [];
  #count = 0;

  constructor(policy: Policy) {
    this.policy = policy;
  }

  get owners(): readonly string[] {
    return this.#holders.map(({ client }) => client);
  }

  /** A control channel for `client`. */
  connect(client: string): MemoryChannel {
    return new MemoryChannel(this, client);
  }

  /** Throws EngineError. */
  claim(channel: MemoryChannel): MemoryTunnel {
    this.requests += 1;
    if (this.refusal !== undefined) throw new EngineError(this.refusal, 'refused by the test');
    if (this.policy === 'refuse' && (this.ghost || this.#holders.length > 0)) {
      throw new EngineError(2000, 'the name is in use');
    }
    const displaced = this.policy === 'takeover' ? this.#holders : [];
    if (this.policy === 'takeover') this.#holders = [];
    this.#count += 1;
    const tunnel = new MemoryTunnel(`t${this.#count}`, channel.client, () => this.release(tunnel));
    this.#holders.push(tunnel);
    this.claims.push(channel.client);
    for (const other of displaced) other.end('revoked');
    return tunnel;
  }

  release(tunnel: MemoryTunnel): void {
    this.#holders = this.#holders.filter((other) => other !== tunnel);
  }

  /** Takes the tunnel from whoever has it. */
  revoke(): void {
    for (const tunnel of this.#holders.splice(0)) tunnel.end('revoked');
  }
}

class MemoryTunnel implements Tunnel {
  readonly id: string;
  readonly client: string;
  readonly properties = create(TunnelPropertiesSchema);
  readonly forwardingAddress = 'https://web.test';
  readonly done: Promise<TunnelEnd>;
  readonly #over = Promise.withResolvers<TunnelEnd>();
  readonly #letGo: () => void;

  constructor(id: string, client: string, letGo: () => void) {
    this.id = id;
    this.client = client;
    this.#letGo = letGo;
    this.done = this.#over.promise;
  }

  end(how: TunnelEnd): void {
    this.#letGo();
    this.#over.resolve(how);
  }

  async accept(): Promise<undefined> {
    await this.done;
    return undefined;
  }

  async close(): Promise<void> {
    this.end('closed');
  }

  async release(): Promise<void> {
    this.end('released');
  }
}

export class MemoryChannel implements ControlChannel {
  readonly clientId: string;
  readonly client: string;
  readonly serverDetails = undefined;
  readonly mode = 'tls';
  readonly done: Promise<ChannelEnd>;
  over = false;
  readonly #engine: MemoryEngine;
  readonly #over = Promise.withResolvers<ChannelEnd>();
  readonly #tunnels: MemoryTunnel[] = [];

  constructor(engine: MemoryEngine, client: string) {
    this.#engine = engine;
    this.client = client;
    this.clientId = `cli_${client}`;
    this.done = this.#over.promise;
  }

  async openTunnel(): Promise<Tunnel> {
    const tunnel = this.#engine.claim(this);
    this.#tunnels.push(tunnel);
    return tunnel;
  }

  async close(): Promise<void> {
    this.#end({ kind: 'clean', by: 'client' });
  }

  drop(): void {
    this.#end({ kind: 'soft', error: new TransportError('dropped') });
  }

  /** The connection breaks. */
  lose(): void {
    this.#end({ kind: 'soft', error: new TransportError('the test cut the line') });
  }

  #end(end: ChannelEnd): void {
    this.over = true;
    for (const tunnel of this.#tunnels.splice(0)) tunnel.end('channel');
    this.#over.resolve(end);
  }
}
