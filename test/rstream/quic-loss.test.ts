// QUIC over a network that has lost a connection without a word.

import { expect } from 'chai';
import { type Clock, systemClock } from '../../src/common/clock.ts';
import { openControlChannel } from '../../src/rstream/control-channel.ts';
import { QuicTransport } from '../../src/rstream/quic-transport.ts';
import { eventually } from '../support/eventually.ts';
import { okResponse, openTunnel } from '../support/scripted-engine.ts';
import { ScriptedQuicEngine } from '../support/scripted-quic-engine.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { acceptBytes, echo, newStreamId, readBytes } from '../support/streams.ts';
import { UdpProxy } from '../support/udp-proxy.ts';

const never = new AbortController().signal;

describe('QUIC where packets are lost', function () {
  this.timeout(60_000);
  let engine: ScriptedQuicEngine;
  let proxy: UdpProxy;
  beforeEach(async () => {
    engine = await ScriptedQuicEngine.start();
    proxy = await UdpProxy.start(engine.listener.port);
  });
  afterEach(async () => {
    await engine.stop();
    proxy.stop();
  });

  it('replaces a connection on which nothing was heard for 15 s: control and streams go on over a new one', async () => {
    let skewMs = 0;
    const clock: Clock = { ...systemClock, now: () => systemClock.now() + skewMs };
    const material = { ca: engine.ca };
    const transport = new QuicTransport({ clock, material: () => material });
    const address = { host: 'localhost', port: proxy.port };
    const open = async (heartbeatTimeoutMs: number) => {
      const channel = openControlChannel({
        engine: address,
        transport,
        clock: systemClock,
        heartbeatIntervalMs: 1_000,
      });
      channel.catch(() => {});
      const control = await engine.next();
      await control.expect('openControlChannelReq');
      control.send(okResponse({ liveness: { heartbeatIntervalMs: 1_000, heartbeatTimeoutMs } }));
      return { channel: await channel, control };
    };
    const { channel } = await open(1_000);
    proxy.loses = (_way, client) => client === 0;
    expect(await channel.done).to.have.property('kind', 'soft');
    const vain = await transport.connect({ engine: address }, never);
    expect(proxy.clients).to.equal(1);

    skewMs = 15_000;
    const again = await open(60_000);
    expect(proxy.clients).to.equal(2);
    const tunnel = await openTunnel(again);
    again.control.send({
      case: 'proxyConnReq',
      value: { tunnelId: 't1', streamId: newStreamId(), secret: 's' },
    });
    const dialled = await engine.next();
    await dialled.proxyReq();
    echo(await acceptBytes(tunnel));
    dialled.raw('through');
    expect(await dialled.text(7)).to.equal('through');
    vain.stream.destroy();
    again.channel.drop();
    transport.close();
  });

  it('still knows afterwards how long a round trip is, and sends again as soon what is lost last', async () => {
    const material = { ca: engine.ca };
    const transport = new QuicTransport({ clock: systemClock, material: () => material });
    const { stream } = await transport.connect({ engine: { host: 'localhost', port: proxy.port } }, never);
    stream.write('open');
    const side = await engine.next();
    await side.text(4);
    const [server] = engine.listener.connections;

    const random = seededRandom(1);
    proxy.loses = (way) => way === 'toClient' && random() < 0.3;
    for (let time = 0; time < 8; time += 1) {
      side.raw(Buffer.alloc(20_000));
      await readBytes(stream, 20_000);
    }
    proxy.loses = () => false;
    for (let word = 0; word < 400; word += 1) {
      stream.write('ping');
      side.raw(await side.bytes(4));
      await readBytes(stream, 4);
    }
    await eventually('nothing is on its way', () => server?.isQuiet());

    let lost = 0;
    proxy.loses = (way) => way === 'toClient' && lost++ === 0;
    side.raw('last');
    await eventually('it was lost', () => lost > 0, { everyMs: 1 });
    expect(server?.native.timeout()).to.be.lessThan(500);
    expect(String(await readBytes(stream, 4))).to.equal('last');
    transport.close();
  });
});
