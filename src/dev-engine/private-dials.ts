// Private dials: a client names a tunnel and is joined with its agent, byte by byte or packet by packet, whichever way each of
// the two carries packets.

import { ErrorCode, type StreamReq } from '../../generated/protobuf/rstream_pb.js';
import { FramedPackets } from '../rstream/framed-packets.ts';
import type { PacketChannel } from '../rstream/packet-channel.ts';
import { channelId } from '../rstream/proxied-streams.ts';
import { isDatagram } from '../rstream/tunnel-properties.ts';
import type { Authenticator } from './authenticator.ts';
import { Refusal } from './errors.ts';
import { readMessages, writeMessage } from './message-stream.ts';
import { joinPackets, type OpenedFlow, type PacketBroker } from './packet-broker.ts';
import type { Registry } from './registry.ts';
import type { Relay } from './relay.ts';
import type { RuntimePeer } from './runtime-peer.ts';
import type { StreamBroker } from './stream-broker.ts';
import type { Tunnel } from './tunnel.ts';

export interface PrivateDialsOptions {
  readonly relay: Relay;
  readonly authenticator: Authenticator;
  readonly registry: Registry;
  readonly broker: StreamBroker;
  readonly packets: PacketBroker;
}

export class PrivateDials {
  readonly #options: PrivateDialsOptions;

  constructor(options: PrivateDialsOptions) {
    this.#options = options;
  }

  /** Joins the dialler with the tunnel it asks for. Rejects with a Refusal, which has not been told yet. */
  async serve(peer: RuntimePeer, request: StreamReq, signal: AbortSignal): Promise<void> {
    const { relay, authenticator, registry, broker, packets } = this.#options;
    authenticator.authenticate(peer.certificate, request.clientDetails);
    const tunnel = registry.resolve(request.tunnelIdName.trim());
    if (request.datagramChannel) return this.#serveChannel(peer, tunnel, signal);
    if (!tunnel) throw notFound();
    const flow: OpenedFlow = isDatagram(tunnel.properties)
      ? await packets.open(tunnel, peer.address, signal)
      : { kind: 'framed', ...(await broker.open(tunnel, peer.address, signal)) };
    if (request.zeroRtt !== true) accept(peer, flow.id);
    // Framed on both sides is the same on both sides.
    if (flow.kind === 'framed') await relay(peer.stream, flow.stream);
    else joinPackets(new FramedPackets(peer.stream), flow.packets);
  }

  /** Packets in DATAGRAM frames of the dialler's QUIC connection; its stream stays open as their lifetime. */
  async #serveChannel(peer: RuntimePeer, tunnel: Tunnel | undefined, signal: AbortSignal): Promise<void> {
    if (!peer.datagrams) throw unavailableChannel('datagram channels need QUIC; dial without one');
    if (!tunnel) throw notFound();
    const { type, datagramGuaranteedDelivery } = tunnel.properties;
    if (type !== 'datagram' || datagramGuaranteedDelivery) {
      throw unavailableChannel('this tunnel carries no datagram channels; dial without one');
    }
    const flow = await this.#options.packets.open(tunnel, peer.address, signal);
    const theirs = flow.kind === 'datagrams' ? flow.packets : new FramedPackets(flow.stream);
    try {
      const channel = peer.datagrams.open(channelId(flow.id));
      accept(peer, flow.id);
      joinPackets(channel, theirs);
      await untilOver(peer, flow.id, channel);
    } finally {
      theirs.close();
    }
  }
}

/** The end of the stream ends the channel, and the end of the channel is told on the stream. */
function untilOver({ stream }: RuntimePeer, streamId: string, channel: PacketChannel): Promise<void> {
  readMessages(
    stream,
    ({ payload }) => {
      if (payload.case === 'datagramChannelClose' && payload.value.streamId === streamId) channel.close();
    },
    () => channel.close(),
  );
  return channel.closed.then(() => {
    writeMessage(stream, { case: 'datagramChannelClose', value: { streamId } });
    stream.end();
  });
}

function accept({ stream }: RuntimePeer, streamId: string): void {
  writeMessage(stream, { case: 'streamRsp', value: { payload: { case: 'streamId', value: streamId } } });
}

function notFound(): Refusal {
  return new Refusal(ErrorCode.TUNNEL_NOT_FOUND, 'no tunnel has this id or name');
}

function unavailableChannel(message: string): Refusal {
  return new Refusal(ErrorCode.FEATURE_NOT_AVAILABLE, message);
}
