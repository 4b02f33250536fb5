// The streams of one control channel, from request to close: chooses how each is carried (raw bytes, framed packets, QUIC
// datagrams), and keeps those alive at hand so that a hard end of the channel can take them along.

import type { ProxyConnReq } from '../../generated/protobuf/rstream_pb.js';
import type { ControlSettings } from './control-handshake.ts';
import { dialBack } from './dial-back.ts';
import { RstreamError } from './errors.ts';
import { FramedPackets } from './framed-packets.ts';
import { formatIpAddress } from './ip-address.ts';
import type { PacketChannel, PacketChannels } from './packet-channel.ts';
import type { ProxiedStream } from './stream.ts';
import type { EngineConnection } from './transport.ts';
import { type ClientTunnel, destroyStream } from './tunnel.ts';
import { isDatagram } from './tunnel-properties.ts';

/** A datagram channel whose end the engine is told, once it knows of its beginning. */
interface DatagramFlow {
  readonly channel: PacketChannel;
  answered: boolean;
}

export class ProxiedStreams {
  readonly #settings: ControlSettings;
  readonly #datagrams: PacketChannels | undefined;
  readonly #tellClosed: (streamId: string) => void;
  readonly #live = new Set<ProxiedStream>();
  readonly #flows = new Map<string, DatagramFlow>();

  constructor(settings: ControlSettings, control: EngineConnection, tellClosed: (streamId: string) => void) {
    this.#settings = settings;
    this.#datagrams = control.datagrams;
    this.#tellClosed = tellClosed;
  }

  /** A stream ready for delivery. Rejects with an RstreamError or the signal's reason. */
  async dial(tunnel: ClientTunnel, request: ProxyConnReq, signal: AbortSignal): Promise<ProxiedStream> {
    const facts = { id: request.streamId, sourceIp: formatIpAddress(request.sourceIp) };
    const datagrams = this.#datagramsFor(tunnel, request);
    if (datagrams)
      return this.#keep({ ...facts, kind: 'packets', packets: this.#openFlow(datagrams, request) });

    const { engine, transport, clock, version, zeroRtt, timeouts } = this.#settings;
    const context = { engine, transport, clock, version, zeroRtt, dialBackMs: timeouts.dialBackMs };
    const connection = await dialBack(context, request, signal);
    if (!isDatagram(tunnel.properties)) return this.#keep({ ...facts, kind: 'bytes', connection });
    return this.#keep({ ...facts, kind: 'packets', packets: new FramedPackets(connection.stream, clock) });
  }

  /** The engine knows of this stream from now on. */
  answered(streamId: string): void {
    const flow = this.#flows.get(streamId);
    if (flow) flow.answered = true;
  }

  closedByEngine(streamId: string): void {
    const flow = this.#flows.get(streamId);
    if (!flow) return;
    this.#flows.delete(streamId);
    flow.channel.close();
  }

  closeAll(): void {
    for (const stream of [...this.#live]) destroyStream(stream);
  }

  #datagramsFor({ properties }: ClientTunnel, request: ProxyConnReq): PacketChannels | undefined {
    const framed = properties.datagramGuaranteedDelivery === true || request.proxyEndpoint !== undefined;
    return isDatagram(properties) && !framed ? this.#datagrams : undefined;
  }

  #openFlow(datagrams: PacketChannels, { streamId }: ProxyConnReq): PacketChannel {
    const channel = datagrams.open(channelId(streamId));
    const flow = { channel, answered: false };
    this.#flows.set(streamId, flow);
    channel.closed.then(() => {
      if (this.#flows.get(streamId) !== flow) return;
      this.#flows.delete(streamId);
      if (flow.answered) this.#tellClosed(streamId);
    });
    return channel;
  }

  #keep(stream: ProxiedStream): ProxiedStream {
    this.#live.add(stream);
    const forget = () => this.#live.delete(stream);
    if (stream.kind === 'packets') stream.packets.closed.then(forget);
    else if (stream.connection.stream.closed) forget();
    else stream.connection.stream.once('close', forget);
    return stream;
  }
}

/** The 12-byte id of a datagram channel: the first 24 hexadecimal digits of the stream's id. */
export function channelId(streamId: string): Buffer {
  const digits = streamId.replaceAll('-', '').slice(0, 24);
  if (!/^[0-9a-fA-F]{24}$/.test(digits)) {
    throw new RstreamError('ERR_RSTREAM_INVALID_TUNNEL', 'the stream id does not name a datagram channel');
  }
  return Buffer.from(digits, 'hex');
}
