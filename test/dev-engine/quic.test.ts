// The dev engine over QUIC: control, streams and datagram channels, client certificates, and flows that change their carrier.

import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { type AddressInfo, connect as connectTcp, type Socket } from 'node:net';
import { text as textOf } from 'node:stream/consumers';
import { expect } from 'chai';
import { systemClock } from '../../src/common/clock.ts';
import { createCertificateAuthority } from '../../src/dev-engine/certificate-authority.ts';
import type { Engine } from '../../src/dev-engine/engine.ts';
import type { ControlChannel, Tunnel } from '../../src/rstream/client-types.ts';
import { openControlChannel } from '../../src/rstream/control-channel.ts';
import type { PacketChannel } from '../../src/rstream/packet-channel.ts';
import { QuicTransport } from '../../src/rstream/quic-transport.ts';
import type { TlsMaterial } from '../../src/rstream/tls-options.ts';
import { TlsTransport } from '../../src/rstream/tls-transport.ts';
import type { Transport } from '../../src/rstream/transport.ts';
import type { TunnelRequest } from '../../src/rstream/tunnel-properties.ts';
import { startTestEngine } from '../support/dev-engine.ts';
import { dial, dialPackets } from '../support/dialler.ts';
import { eventually } from '../support/eventually.ts';
import { echo, readBytes, rejection } from '../support/streams.ts';

describe('dev engine: QUIC', () => {
  let engine: Engine;
  const cleanups: (() => unknown)[] = [];
  beforeEach(async () => {
    engine = await startTestEngine();
  });
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0)) await cleanup();
    await engine.close();
  });

  const address = () => ({ host: '127.0.0.1', port: engine.port });
  function transport(mode: 'quic' | 'tls', more: Partial<TlsMaterial> = {}): Transport {
    const material = { ca: engine.authority.certificate, ...more };
    const settings = { material: () => material, clientCertificate: more.cert !== undefined };
    const made =
      mode === 'quic' ? new QuicTransport({ ...settings, clock: systemClock }) : new TlsTransport(settings);
    cleanups.push(() => made.close());
    return made;
  }
  async function connect(over: Transport, token?: string): Promise<ControlChannel> {
    const channel = await openControlChannel({
      engine: address(),
      transport: over,
      clock: systemClock,
      token,
    });
    cleanups.push(() => channel.drop());
    return channel;
  }
  const received = (payload: string) =>
    engine.recorder.entries.filter((entry) => entry.kind === 'received' && entry.payload === payload);

  async function packetAgent(mode: 'quic' | 'tls', more: TunnelRequest = {}): Promise<() => void> {
    const over = transport(mode);
    const channel = await connect(over, 'T');
    const tunnel = await channel.openTunnel({ type: 'datagram', publish: false, name: 'packets', ...more });
    void serve(tunnel, (stream) => {
      if (stream.kind === 'packets')
        stream.packets.receive((packet) => stream.packets.send(Buffer.from(packet)));
    });
    return () => {
      channel.drop();
      over.close();
    };
  }

  it('serves control, dial-backs and private dials on streams of one connection per client', async () => {
    const channel = await connect(transport('quic'), 'T');
    expect(channel.mode).to.equal('quic');
    const tunnel = await channel.openTunnel({ publish: false, name: 'bytes' });
    void serve(tunnel, (stream) => {
      if (stream.kind === 'bytes') echo(stream);
    });
    const dialler = transport('quic');
    const texts = ['one', 'two', 'three'];
    const answers = await Promise.all(
      texts.map(async (text) => {
        const { connection } = await dial({
          engine: address(),
          transport: dialler,
          token: 'T',
          tunnel: 'bytes',
        });
        connection.stream.write(text);
        return String(await readBytes(connection.stream, text.length));
      }),
    );
    expect(answers).to.deep.equal(texts);
    expect(engine.status()).to.include({ quicConnections: 2, clients: 1 });
  });

  it('serves visitors of an http tunnel, upgrades included, over streams of QUIC', async () => {
    const service = createHttpServer((request, response) => response.end(`served ${request.url}`));
    service.on('upgrade', (_request, socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
      socket.pipe(socket);
    });
    service.listen(0, '127.0.0.1');
    await once(service, 'listening');
    cleanups.push(() => {
      service.closeAllConnections();
      service.close();
    });
    const { port } = service.address() as AddressInfo;
    const channel = await connect(transport('quic'), 'T');
    const tunnel = await channel.openTunnel({ protocol: 'http' });
    void serve(tunnel, (stream) => {
      if (stream.kind !== 'bytes') return;
      const target = connectTcp(port, '127.0.0.1');
      target.on('error', () => stream.connection.reset());
      stream.connection.stream.once('close', () => target.destroy());
      stream.connection.stream.pipe(target).pipe(stream.connection.stream);
    });
    const servername = tunnel.properties.hostname ?? '';
    const visitor = {
      host: '127.0.0.1',
      port: engine.port,
      servername,
      ca: engine.authority.certificate,
      headers: { host: servername },
      agent: false,
    };
    for (const path of ['/one', '/two', '/three']) {
      const [response] = (await once(request({ ...visitor, path }).end(), 'response')) as [IncomingMessage];
      expect(await textOf(response)).to.equal(`served ${path}`);
    }
    const upgrade = request({
      ...visitor,
      headers: { ...visitor.headers, connection: 'Upgrade', upgrade: 'echo' },
    }).end();
    const [, socket] = (await once(upgrade, 'upgrade')) as [IncomingMessage, Socket];
    socket.write('over the tunnel');
    expect(String((await once(socket, 'data'))[0])).to.equal('over the tunnel');
    socket.destroy();
    expect(received('proxyReq').length).to.be.lessThan(5);
  });

  it('knows clients by the certificates of its authority, and refuses those of another', async () => {
    const client = await engine.authority.issueClient('quic-client');
    const channel = await connect(transport('quic', client));
    expect(engine.registry.client(channel.clientId)).to.include({ user: 'quic-client' });

    const stranger = await (await createCertificateAuthority()).issueClient('stranger');
    expect(await rejection(connect(transport('quic', stranger)))).to.have.property(
      'code',
      'ERR_RSTREAM_TRANSPORT',
    );
    const nobody = transport('quic');
    const opening = openControlChannel({ engine: address(), transport: nobody, clock: systemClock });
    expect(await rejection(opening)).to.have.property('number', 1000);
  });

  for (const agent of ['quic', 'tls'] as const) {
    for (const dialler of ['quic', 'tls'] as const) {
      it(`cases 85 and 87: joins a dialler over ${dialler} with an agent over ${agent}`, async () => {
        await packetAgent(agent);
        const { packets, kind } = await dialPackets({
          engine: address(),
          transport: transport(dialler),
          token: 'T',
          tunnel: 'packets',
        });
        expect(kind).to.equal(dialler === 'quic' ? 'datagrams' : 'framed');
        // What fits a datagram, or a frame.
        for (const size of agent === 'tls' && dialler === 'tls' ? [0, 1, 1_200, 65_535] : [0, 1, 1_100]) {
          const packet = Buffer.alloc(size, 'packet');
          expect((await roundTrip(packets, packet)).equals(packet)).to.equal(true);
        }
        expect(received('proxyReq')).to.have.length(agent === 'quic' ? 0 : 1);
        packets.close();
        await eventually('the flow is gone', () => engine.status().streams === 0);
      });
    }
  }

  it('case 90: tells the agent when the dialler goes, and the dialler when the agent does', async () => {
    const channel = await connect(transport('quic'), 'T');
    const tunnel = await channel.openTunnel({ type: 'datagram', publish: false, name: 'packets' });
    const flows: PacketChannel[] = [];
    void serve(tunnel, (stream) => {
      if (stream.kind === 'packets') flows.push(stream.packets);
    });
    const open = () =>
      dialPackets({ engine: address(), transport: transport('quic'), token: 'T', tunnel: 'packets' });
    const first = await open();
    await eventually('the agent has the flow', () => flows[0]);
    first.packets.close();
    await flows[0]?.closed;

    const second = await open();
    await eventually('the agent has the other', () => flows[1]);
    flows[1]?.close();
    await second.packets.closed;
    expect(received('datagramChannelClose').length).to.be.greaterThan(0);
  });

  it('cases 89 and 91: refuses a datagram channel where delivery is guaranteed; the plain dial is framed throughout', async () => {
    await packetAgent('quic', { datagramGuaranteedDelivery: true });
    const { packets, kind } = await dialPackets({
      engine: address(),
      transport: transport('quic'),
      token: 'T',
      tunnel: 'packets',
    });
    expect(kind).to.equal('framed');
    const large = Buffer.alloc(65_535, 'large');
    expect((await roundTrip(packets, large)).equals(large)).to.equal(true);
    expect(received('proxyReq')).to.have.length(1);
  });

  it('ends the flows of a client whose connection is lost', async () => {
    const leave = await packetAgent('quic');
    const { packets } = await dialPackets({
      engine: address(),
      transport: transport('tls'),
      token: 'T',
      tunnel: 'packets',
    });
    await roundTrip(packets, Buffer.from('there'));
    leave();
    await packets.closed;
    expect(engine.status()).to.include({ clients: 0, quicConnections: 0 });
  });
});

async function serve(
  tunnel: Tunnel,
  handle: (stream: NonNullable<Awaited<ReturnType<Tunnel['accept']>>>) => void,
): Promise<void> {
  for (let stream = await tunnel.accept(); stream; stream = await tunnel.accept()) handle(stream);
}

/** Sends a packet until an answer comes: datagrams may be lost. */
async function roundTrip(packets: PacketChannel, packet: Buffer): Promise<Buffer> {
  let answer: Buffer | undefined;
  packets.receive((received) => {
    answer ??= Buffer.from(received);
  });
  let sentAt = 0;
  return eventually('a packet came back', () => {
    if (answer) return answer;
    if (performance.now() - sentAt > 500) {
      packets.send(packet);
      sentAt = performance.now();
    }
    return undefined;
  });
}
