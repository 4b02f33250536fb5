// Connections that speak the rstream protocol: reads the first message of each and makes it a control channel, an agent's
// dial-back, or a private dial.

import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import type {
  Message,
  OpenControlChannelReq,
  ProxyReq,
  StreamReq,
} from '../../generated/protobuf/rstream_pb.js';
import { type Clock, sleep } from '../common/clock.ts';
import type { Logger } from '../common/logging.ts';
import { OPERATOR_VERSION } from '../common/version.ts';
import { encodeFrame } from '../rstream/frame.ts';
import { encodeMessage, errorMessage, type Payload } from '../rstream/messages.ts';
import { type Authenticator, versionRefusal } from './authenticator.ts';
import { ControlSession } from './control-session.ts';
import { Refusal, refusalOf } from './errors.ts';
import type { AnswerFault, FaultSettings } from './faults.ts';
import { negotiateLiveness } from './liveness.ts';
import { readFirstMessage, writeMessage } from './message-stream.ts';
import type { PacketBroker } from './packet-broker.ts';
import { PrivateDials } from './private-dials.ts';
import type { Recorder } from './recorder.ts';
import type { Registry } from './registry.ts';
import type { Relay } from './relay.ts';
import type { RuntimePeer } from './runtime-peer.ts';
import type { StreamBroker } from './stream-broker.ts';
import type { TunnelService } from './tunnel-service.ts';

export interface RuntimeOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly authenticator: Authenticator;
  readonly registry: Registry;
  readonly broker: StreamBroker;
  readonly packets: PacketBroker;
  readonly tunnels: TunnelService;
  readonly relay: Relay;
  readonly recorder: Recorder;
  readonly faults: () => FaultSettings;
  readonly firstMessageTimeoutMs: number;
}

export class RuntimeConnections {
  readonly #options: RuntimeOptions;
  readonly #dials: PrivateDials;
  #count = 0;

  constructor(options: RuntimeOptions) {
    this.#options = options;
    this.#dials = new PrivateDials(options);
  }

  /** Serves one connection to its end; never rejects. */
  async serve(peer: RuntimePeer): Promise<void> {
    const { clock, recorder, firstMessageTimeoutMs, log } = this.#options;
    const { stream: socket } = peer;
    this.#count += 1;
    const connection = `conn_${this.#count}`;
    recorder.add({ kind: 'connection', connection, ...describe(peer) });
    const message = await readFirstMessage(socket, clock, firstMessageTimeoutMs);
    if (message instanceof Error) {
      log.debug({ connection, error: message }, 'connection sent no usable first message');
      return void socket.destroy();
    }
    recorder.frame('received', connection, message);
    if (this.#options.faults().silent) return void socket.resume();

    try {
      await this.#dispatch(peer, connection, message);
    } catch (error) {
      log.debug({ connection, error }, 'connection ended');
      socket.destroy();
    }
  }

  #dispatch(peer: RuntimePeer, connection: string, { payload }: Message): Promise<void> | void {
    switch (payload.case) {
      case 'openControlChannelReq':
        return this.#openControl(peer, connection, payload.value);
      case 'proxyReq':
        return this.#attachDialBack(peer.stream, payload.value);
      case 'streamReq':
        return this.#dial(peer, payload.value);
      default:
        return void peer.stream.destroy();
    }
  }

  async #openControl(peer: RuntimePeer, connection: string, request: OpenControlChannelReq): Promise<void> {
    const { stream: socket, serverName, datagrams } = peer;
    const { clock, authenticator, registry, log } = this.#options;
    const fault = this.#options.faults().controlOpen;
    if (!(await this.#passes(socket, fault))) return;

    const details = request.clientDetails;
    const respond = (payload: Extract<Payload, { case: 'openControlChannelRsp' }>['value']['payload']) =>
      writeMessage(socket, { case: 'openControlChannelRsp', value: payload ? { payload } : {} });
    if (fault.answer === 'empty') return void respond(undefined);
    try {
      if (fault.answer === 'error') throw new Refusal(fault.code, fault.message);
      const refused = versionRefusal(details?.protocolVersion);
      if (refused) throw refused;
      const user = authenticator.authenticate(peer.certificate, details);
      const liveness = negotiateLiveness(request.liveness, this.#options.faults().liveness);
      const session = new ControlSession(socket, {
        ...this.#options,
        id: `cli_${randomBytes(8).toString('hex')}`,
        connection,
        user,
        details,
        serverName,
        datagrams,
        liveness,
      });
      registry.addClient(session);
      respond({ case: 'ok', value: { clientId: session.id, serverDetails, ...(liveness && { liveness }) } });
      log.info({ client: session.id, user }, 'client connected');
      await session.run();
      log.info(
        { client: session.id, afterMs: Math.round(clock.date().getTime() - session.connectedAt.getTime()) },
        'client disconnected',
      );
    } catch (thrown) {
      const refusal = refusalOf(thrown);
      respond({ case: 'error', value: errorMessage(refusal.number, refusal.message) });
      socket.end();
      socket.resume();
    }
  }

  async #attachDialBack(socket: Duplex, request: ProxyReq): Promise<void> {
    const { broker, faults } = this.#options;
    const fault = faults().proxy;
    if (!(await this.#passes(socket, fault))) return;
    const zeroRtt = request.zeroRtt === true;
    try {
      if (fault.answer === 'error') throw new Refusal(fault.code, fault.message);
      if (fault.answer === 'empty') return void socket.write(encodeFrame(Buffer.alloc(0)));
      const attach = broker.take(request);
      if (!zeroRtt) {
        const coalesced = Buffer.from(faults().coalesceProxyRsp);
        socket.write(Buffer.concat([encodeMessage({ case: 'proxyRsp', value: {} }), coalesced]));
      }
      attach(socket);
    } catch (thrown) {
      const refusal = refusalOf(thrown);
      if (zeroRtt) return void socket.destroy();
      const error = errorMessage(refusal.number, refusal.message);
      socket.end(encodeMessage({ case: 'proxyRsp', value: { error } }));
      socket.resume();
    }
  }

  async #dial(peer: RuntimePeer, request: StreamReq): Promise<void> {
    const { stream } = peer;
    const fault = this.#options.faults().stream;
    if (!(await this.#passes(stream, fault))) return;
    const zeroRtt = request.zeroRtt === true;
    const gone = new AbortController();
    stream.once('close', () => gone.abort());
    try {
      if (fault.answer === 'error') throw new Refusal(fault.code, fault.message);
      if (fault.answer === 'empty') return void stream.write(encodeMessage({ case: 'streamRsp', value: {} }));
      await this.#dials.serve(peer, request, gone.signal);
    } catch (thrown) {
      const refusal = refusalOf(thrown);
      if (zeroRtt) return void stream.destroy();
      const payload = { case: 'error', value: errorMessage(refusal.number, refusal.message) } as const;
      stream.end(encodeMessage({ case: 'streamRsp', value: { payload } }));
      stream.resume();
    }
  }

  /** Whether an answer is to be given at all; waits for the fault's delay and sends its malformed frame. */
  async #passes(socket: Duplex, fault: AnswerFault): Promise<boolean> {
    if (fault.delayMs > 0) await sleep(this.#options.clock, fault.delayMs);
    if (fault.answer === 'none') socket.resume();
    if (fault.answer === 'malformed') socket.write(encodeFrame(Buffer.from([0xff])));
    return fault.answer !== 'none' && fault.answer !== 'malformed' && !socket.destroyed;
  }
}

const serverDetails = {
  agent: 'rstream-dev-engine',
  channel: 'dev',
  version: OPERATOR_VERSION,
  plan: 'development',
  provider: 'other',
  region: 'local',
};

function describe({ transport, address, port, serverName, alpn, certificate, resumed }: RuntimePeer) {
  const clientCertificate = certificate.commonName;
  return { remote: `${address}:${port}`, transport, serverName, alpn, clientCertificate, resumed };
}
