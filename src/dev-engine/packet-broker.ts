// Packet flows to an agent's datagram tunnel: DATAGRAM frames where its control connection is QUIC, else a dialled-back stream
// of framed packets. Which one is the caller's to know only when bytes can be passed on as they are.

import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { FramedPackets } from '../rstream/framed-packets.ts';
import type { PacketChannel } from '../rstream/packet-channel.ts';
import { channelId } from '../rstream/proxied-streams.ts';
import type { FaultSettings } from './faults.ts';
import type { StreamBroker } from './stream-broker.ts';
import type { Tunnel } from './tunnel.ts';

export type OpenedFlow =
  | { readonly id: string; readonly kind: 'framed'; readonly stream: Duplex }
  | { readonly id: string; readonly kind: 'datagrams'; readonly packets: PacketChannel };

export class PacketBroker {
  readonly #broker: StreamBroker;
  readonly #faults: () => FaultSettings;
  readonly #channels = new Map<string, { readonly ownerId: string; readonly packets: PacketChannel }>();

  constructor(broker: StreamBroker, faults: () => FaultSettings) {
    this.#broker = broker;
    this.#faults = faults;
  }

  /** Rejects with a Refusal. */
  async open(tunnel: Tunnel, sourceIp: string | undefined, signal?: AbortSignal): Promise<OpenedFlow> {
    const { owner, properties } = tunnel;
    const redirected = this.#faults().proxyConn.endpoint !== '';
    if (!owner.datagrams || properties.datagramGuaranteedDelivery || redirected) {
      return { kind: 'framed', ...(await this.#broker.open(tunnel, sourceIp, signal)) };
    }
    const id = randomBytes(12).toString('hex');
    // Before the agent is told: its packets may be faster than its answer.
    const packets = owner.datagrams.open(channelId(id));
    try {
      await this.#broker.announce(tunnel, id, sourceIp, signal);
    } catch (error) {
      packets.close();
      throw error;
    }
    this.#keep(tunnel, id, packets);
    return { id, kind: 'datagrams', packets };
  }

  /** The same, as packets in any case. */
  async openPackets(tunnel: Tunnel, sourceIp: string, signal?: AbortSignal): Promise<PacketChannel> {
    const flow = await this.open(tunnel, sourceIp, signal);
    return flow.kind === 'datagrams' ? flow.packets : new FramedPackets(flow.stream);
  }

  /** DatagramChannelClose of an agent; ids of others are left alone. */
  closedByAgent(ownerId: string, streamId: string): void {
    const known = this.#channels.get(streamId);
    if (known?.ownerId !== ownerId) return;
    this.#channels.delete(streamId);
    known.packets.close();
  }

  #keep(tunnel: Tunnel, id: string, packets: PacketChannel): void {
    const { owner, streams } = tunnel;
    const cut = { destroy: () => packets.close() };
    streams.add(cut);
    this.#channels.set(id, { ownerId: owner.id, packets });
    packets.closed.then(() => {
      streams.delete(cut);
      if (this.#channels.delete(id)) owner.send({ case: 'datagramChannelClose', value: { streamId: id } });
    });
  }
}

/** Passes packets both ways until either ends, which ends the other. */
export function joinPackets(left: PacketChannel, right: PacketChannel): void {
  left.receive((packet) => void right.send(packet));
  right.receive((packet) => void left.send(packet));
  left.closed.then(() => right.close());
  right.closed.then(() => left.close());
}
