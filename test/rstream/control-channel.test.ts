import { Duplex } from 'node:stream';
import { expect } from 'chai';
import { streamConnection } from '../../src/rstream/connection.ts';
import { openControlChannel } from '../../src/rstream/control-channel.ts';
import { controlSettings } from '../../src/rstream/control-handshake.ts';
import { encodeMessage } from '../../src/rstream/messages.ts';
import type { Transport } from '../../src/rstream/transport.ts';
import { ManualClock } from '../support/manual-clock.ts';

/** An engine that says yes, and whose connection is lost in the same breath. */
function lostAtOnce(): Duplex {
  const liveness = { heartbeatIntervalMs: 5_000, heartbeatTimeoutMs: 15_000 };
  const ok = { clientId: 'cli_1', liveness };
  const answer = encodeMessage({
    case: 'openControlChannelRsp',
    value: { payload: { case: 'ok', value: ok } },
  });
  const stream = new Duplex({
    read() {},
    write(_chunk, _encoding, done) {
      done();
      stream.on('readable', () => stream.destroy());
      stream.push(answer);
    },
  });
  return stream;
}

describe('openControlChannel', () => {
  it('is bounded where nothing else was asked for: dial-backs, those that wait, streams and requests', () => {
    const transport = { clientCertificate: false, connect: () => new Promise<never>(() => {}), close() {} };
    const settings = controlSettings({
      engine: { host: 'engine.test', port: 443 },
      transport,
      clock: new ManualClock(),
    });

    expect(settings.limits).to.deep.equal({
      activeDialBacks: 256,
      queuedDialBacks: 1_024,
      unacceptedStreams: 256,
      pendingTunnels: 1_024,
    });
    expect(settings.timeouts).to.include({ dialBackMs: 10_000, releaseMs: 5_000 });
  });

  it('leaves no timer behind when the connection is lost right behind the answer', async () => {
    const clock = new ManualClock();
    const transport: Transport = {
      clientCertificate: false,
      connect: async () => streamConnection('tls', lostAtOnce()),
      close() {},
    };
    const channel = await openControlChannel({
      engine: { host: 'engine.test', port: 443 },
      transport,
      clock,
    });

    expect(await channel.done).to.have.property('kind', 'soft');
    expect(clock.pending).to.equal(0);
  });
});
