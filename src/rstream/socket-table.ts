// What the system knows of TCP connections and Node does not tell: how much of what was sent has not arrived yet, and whether
// a connection that nobody reads from has been broken off. On Linux; elsewhere both are unknown.

import { readFile } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import { type Clock, sleep } from '../common/clock.ts';
import { property } from './property.ts';

/** Bytes sent and not acknowledged, by `ports` of a connection. Those that share them count for each other. */
export type Unacknowledged = ReadonlyMap<string, number>;

/** Reading it takes the longer the more connections the machine has; meanwhile others want to work. */
const restFactor = 10;
const longestRestMs = 500;

export class SocketTable {
  readonly #clock: Clock;
  readonly #read: () => Promise<string>;
  #last: Promise<unknown> = Promise.resolve();
  #next: Promise<Unacknowledged | undefined> | undefined;
  #restUntil = 0;

  constructor(clock: Clock, read: () => Promise<string> = readTables) {
    this.#clock = clock;
    this.#read = read;
  }

  /** A look that begins no earlier than this call; those who ask meanwhile share one. Undefined where there is no table. */
  look(): Promise<Unacknowledged | undefined> {
    this.#next ??= this.#last.then(() => this.#look());
    this.#last = this.#next;
    return this.#next;
  }

  async #look(): Promise<Unacknowledged | undefined> {
    const restMs = this.#restUntil - this.#clock.now();
    if (restMs > 0) await sleep(this.#clock, restMs);
    this.#next = undefined;
    const started = this.#clock.now();
    const text = await this.#read().catch(() => undefined);
    const now = this.#clock.now();
    this.#restUntil = now + Math.min(restFactor * (now - started), longestRestMs);
    return text === undefined ? undefined : parseSocketTable(text);
  }
}

/** Local and remote port of a connected TCP socket, or of the one below a TLS socket; undefined when there is none. */
export function ports(stream: Duplex): string | undefined {
  const [local, remote] = [property(stream, 'localPort'), property(stream, 'remotePort')];
  return typeof local === 'number' && typeof remote === 'number' ? `${local} ${remote}` : undefined;
}

export function parseSocketTable(text: string): Unacknowledged {
  const table = new Map<string, number>();
  for (const [, local = '', remote = '', unacknowledged = ''] of text.matchAll(row)) {
    const key = `${Number.parseInt(local, 16)} ${Number.parseInt(remote, 16)}`;
    table.set(key, (table.get(key) ?? 0) + Number.parseInt(unacknowledged, 16));
  }
  return table;
}

/** Number, local address and port, remote address and port, state, bytes to send and to read. */
const row = /^ *\d+: [\dA-F]+:([\dA-F]{4}) [\dA-F]+:([\dA-F]{4}) [\dA-F]{2} ([\dA-F]{8}):/gm;

/** One per family (https://docs.kernel.org/networking/proc_net_tcp.html); there may be no IPv6. */
async function readTables(): Promise<string> {
  const ipv6 = readFile('/proc/net/tcp6', 'latin1').catch(() => '');
  return (await readFile('/proc/net/tcp', 'latin1')) + (await ipv6);
}
