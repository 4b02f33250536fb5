// One client's control connection after its first message: answers what it asks, keeps it alive as negotiated, and takes
// its tunnels away when it ends. Writes are whole frames in order; heartbeats are sent only when liveness was negotiated.

import type { Duplex } from 'node:stream';
import type {
  ClientDetails,
  ControlChannelLiveness,
  Message,
  OpenTunnelReq,
} from '../../generated/protobuf/rstream_pb.js';
import type { Clock, Timer } from '../common/clock.ts';
import { encodeFrame } from '../rstream/frame.ts';
import { errorMessage, type Payload } from '../rstream/messages.ts';
import type { PacketChannels } from '../rstream/packet-channel.ts';
import { refusalOf } from './errors.ts';
import type { AnswerFault, FaultSettings } from './faults.ts';
import { readMessages, writeMessage } from './message-stream.ts';
import type { PacketBroker } from './packet-broker.ts';
import type { Recorder } from './recorder.ts';
import type { Client } from './registry.ts';
import type { StreamBroker } from './stream-broker.ts';
import type { TunnelService } from './tunnel-service.ts';

export interface ControlSessionOptions {
  readonly id: string;
  readonly connection: string;
  readonly user: string;
  readonly details: ClientDetails | undefined;
  /** The name the client reached the engine by; a stable domain derived from it may be asked for. */
  readonly serverName: string | undefined;
  readonly liveness: Pick<ControlChannelLiveness, 'heartbeatIntervalMs' | 'heartbeatTimeoutMs'> | undefined;
  readonly clock: Clock;
  readonly faults: () => FaultSettings;
  readonly recorder: Recorder;
  readonly broker: StreamBroker;
  readonly packets: PacketBroker;
  /** DATAGRAM frames of the QUIC connection below, if it is one. */
  readonly datagrams?: PacketChannels | undefined;
  readonly tunnels: TunnelService;
}

export class ControlSession implements Client {
  readonly id: string;
  readonly user: string;
  readonly details: ClientDetails | undefined;
  readonly serverName: string | undefined;
  readonly connectedAt: Date;
  readonly datagrams: PacketChannels | undefined;
  readonly #options: ControlSessionOptions;
  readonly #stream: Duplex;
  readonly #heartbeats: HeartbeatReplies;
  #silence: Timer | undefined;
  #open = true;

  constructor(stream: Duplex, options: ControlSessionOptions) {
    this.id = options.id;
    this.user = options.user;
    this.details = options.details;
    this.serverName = options.serverName;
    this.datagrams = options.datagrams;
    this.connectedAt = options.clock.date();
    this.#options = options;
    this.#stream = stream;
    this.#heartbeats = new HeartbeatReplies(options, (acknowledgement) => {
      this.send({ case: 'heartbeat', value: { sequence: 0n, acknowledgement } });
    });
  }

  get open(): boolean {
    return this.#open;
  }

  /** Handles messages until the connection ends; resolves then, never rejects. */
  run(): Promise<void> {
    this.#awaitFrame();
    return new Promise((resolve) => {
      const onMessage = (message: Message) => {
        this.#awaitFrame();
        this.#options.recorder.frame('received', this.#options.connection, message);
        if (this.#open && !this.#options.faults().silent) this.#handle(message);
      };
      readMessages(this.#stream, onMessage, () => {
        this.#finish(false);
        this.#stream.destroy();
        resolve();
      });
    });
  }

  send(payload: Payload): boolean {
    return this.#open && !this.#options.faults().silent && writeMessage(this.#stream, payload);
  }

  sendRaw(bytes: Uint8Array): void {
    if (this.#open) this.#stream.write(bytes);
  }

  end(how: 'close' | 'drop'): void {
    if (how === 'drop') return void this.#stream.destroy();
    this.send({ case: 'closeControlChannelRsp', value: {} });
    this.#finish(true);
    this.#stream.end();
  }

  #handle({ payload }: Message) {
    const { broker, packets, tunnels, faults } = this.#options;
    switch (payload.case) {
      case 'heartbeat':
        return this.#heartbeats.received(payload.value.sequence);
      case 'openTunnelReq':
        return this.#openTunnel(payload.value);
      case 'closeTunnelReq': {
        const { tunnelId } = payload.value;
        const tunnel = tunnels.find(this, tunnelId);
        if (tunnel) tunnels.close(tunnel, true);
        return this.#answer(faults().tunnelClose, () =>
          this.send({ case: 'closeTunnelRsp', value: { tunnelId } }),
        );
      }
      case 'closeControlChannelReq':
        return this.#answer(faults().controlClose, () => this.end('close'));
      case 'proxyConnRsp': {
        const { streamId, error } = payload.value;
        if (error) broker.fail(this.id, streamId, error.message ?? `error ${error.code}`);
        else broker.answered(this.id, streamId);
        return;
      }
      case 'datagramChannelClose':
        return packets.closedByAgent(this.id, payload.value.streamId);
      default:
        // Whatever a newer client may say: unknown payloads are ignored on both sides.
        return;
    }
  }

  #openTunnel({ requestId, tunnelProperties }: OpenTunnelReq) {
    const fault = this.#options.faults().tunnelOpen;
    const respond = (payload: Extract<Payload, { case: 'openTunnelRsp' }>['value']['payload']) =>
      this.send({ case: 'openTunnelRsp', value: { requestId, ...(payload && { payload }) } });

    if (fault.answer === 'error') {
      const error = errorMessage(fault.code, fault.message);
      return this.#answer({ ...fault, answer: 'normal' }, () => respond({ case: 'error', value: error }));
    }
    if (fault.answer === 'empty') {
      return this.#answer({ ...fault, answer: 'normal' }, () => respond(undefined));
    }
    this.#options.tunnels.open(this, tunnelProperties).then(
      (tunnel) => this.#answer(fault, () => respond({ case: 'tunnelProperties', value: tunnel.properties })),
      (thrown) => {
        const refusal = refusalOf(thrown);
        respond({ case: 'error', value: errorMessage(refusal.number, refusal.message) });
      },
    );
  }

  /** Runs `normal` now or after the fault's delay, or does what the fault says instead. */
  #answer(fault: AnswerFault, normal: () => unknown): void {
    if (fault.answer === 'none') return;
    const act = () => {
      if (fault.answer === 'malformed') return this.sendRaw(encodeFrame(Buffer.from([0xff])));
      // These answers have no error or empty form of their own: an empty message stands for both.
      if (fault.answer !== 'normal') return this.sendRaw(encodeFrame(Buffer.alloc(0)));
      normal();
    };
    if (fault.delayMs > 0) this.#options.clock.after(fault.delayMs, act, { unref: true });
    else act();
  }

  /** Re-arms the liveness deadline; legacy clients have none. */
  #awaitFrame(): void {
    this.#silence?.cancel();
    const timeoutMs = this.#options.liveness?.heartbeatTimeoutMs;
    if (!timeoutMs || !this.#open) return;
    this.#silence = this.#options.clock.after(timeoutMs, () => this.#stream.destroy(), { unref: true });
  }

  #finish(clean: boolean): void {
    if (!this.#open) return;
    this.#open = false;
    this.#silence?.cancel();
    this.#options.tunnels.closeAll(this, clean);
    this.#options.broker.failOwner(this.id);
  }
}

/** Acknowledges heartbeats: strictly increasing, never ahead of what came, nothing at all in legacy mode. */
class HeartbeatReplies {
  readonly #options: Pick<ControlSessionOptions, 'clock' | 'faults' | 'liveness'>;
  readonly #send: (acknowledgement: bigint) => void;
  #last = 0n;
  #count = 0;

  constructor(
    options: Pick<ControlSessionOptions, 'clock' | 'faults' | 'liveness'>,
    send: (ack: bigint) => void,
  ) {
    this.#options = options;
    this.#send = send;
  }

  received(sequence: bigint): void {
    if (!this.#options.liveness || sequence <= this.#last) return;
    const fault = this.#options.faults().heartbeats;
    this.#last = sequence;
    this.#count += 1;
    if (!fault.acknowledge || this.#count % Math.max(1, fault.every) !== 0) return;

    const reply = () => {
      const acknowledgement = sequence + BigInt(Math.trunc(fault.offset));
      if (acknowledgement < 0n) return;
      this.#send(acknowledgement);
      if (fault.duplicate) this.#send(acknowledgement);
    };
    if (this.#count === 1 && fault.delayFirstMs > 0) {
      this.#options.clock.after(fault.delayFirstMs, reply, { unref: true });
    } else {
      reply();
    }
  }
}
