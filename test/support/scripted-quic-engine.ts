// A QUIC engine that does nothing by itself: the test takes its streams one by one and plays the engine on them.

import { systemClock } from '../../src/common/clock.ts';
import type { PacketChannels } from '../../src/rstream/packet-channel.ts';
import { listenQuic, type QuicListener } from '../../src/rstream/quic-listener.ts';
import type { QuicPeer } from '../../src/rstream/quic-native.ts';
import { QuicTransport, type QuicTransportOptions } from '../../src/rstream/quic-transport.ts';
import { serverCertificate } from './certificates.ts';
import { EngineSide } from './engine-side.ts';

export class ScriptedQuicEngine {
  readonly ca: string;
  readonly listener: QuicListener;
  readonly #sides: AsyncIterator<EngineSide>;
  /** Datagrams of the client connection seen last. */
  datagrams: PacketChannels | undefined;
  streams = 0;
  /** Where the client seen last comes from. */
  client: QuicPeer | undefined;

  private constructor(ca: string, listener: QuicListener, sides: AsyncIterator<EngineSide>) {
    this.ca = ca;
    this.listener = listener;
    this.#sides = sides;
  }

  static async start(port = 0): Promise<ScriptedQuicEngine> {
    const { ca, ...material } = await serverCertificate();
    const waiting: EngineSide[] = [];
    let wake = () => {};
    const listener = await listenQuic({
      host: '127.0.0.1',
      port,
      material: { cert: material.cert, key: material.key },
      clock: systemClock,
      onConnection: ({ stream, datagrams }, { address }) => {
        engine.client = address;
        engine.datagrams = datagrams;
        engine.streams += 1;
        waiting.push(new EngineSide(stream));
        wake();
      },
    });
    async function* sides() {
      for (;;) {
        const side = waiting.shift();
        if (side) yield side;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    }
    const engine: ScriptedQuicEngine = new ScriptedQuicEngine(ca, listener, sides());
    return engine;
  }

  get address() {
    return { host: 'localhost', port: this.listener.port };
  }

  transport(options: Partial<QuicTransportOptions> = {}): QuicTransport {
    const material = { ca: this.ca };
    return new QuicTransport({ clock: systemClock, material: () => material, ...options });
  }

  async next(): Promise<EngineSide> {
    const { value } = await this.#sides.next();
    return value;
  }

  stop(): Promise<void> {
    return this.listener.close();
  }
}
