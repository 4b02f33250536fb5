// Conformance cases 27 to 43: heartbeats, liveness, and what outlives a channel.

import { TLSSocket } from 'node:tls';
import { expect } from 'chai';
import type { ControlChannel } from '../../src/rstream/client-types.ts';
import { openControlChannel } from '../../src/rstream/control-channel.ts';
import type { Transport } from '../../src/rstream/transport.ts';
import type { EngineSide } from '../support/engine-side.ts';
import { eventually } from '../support/eventually.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { okResponse, openTunnel, ScriptedEngine } from '../support/scripted-engine.ts';
import { acceptBytes, acceptStream, dialBack, readBytes, rejection } from '../support/streams.ts';

describe('liveness', () => {
  let engine: ScriptedEngine;
  let clock: ManualClock;
  beforeEach(async () => {
    engine = await ScriptedEngine.start();
    clock = new ManualClock();
  });
  afterEach(() => engine.stop());

  const live = (timeoutMs: number, transport: Transport = engine.transport()) =>
    engine.open(
      { clock, heartbeatIntervalMs: 1_000, transport },
      { liveness: { heartbeatIntervalMs: 1_000, heartbeatTimeoutMs: timeoutMs } },
    );
  /** A live channel, and how to acknowledge: the client has nothing else to go by, and has read it before time goes on. */
  const acknowledged = async (timeoutMs: number) => {
    const sockets: TLSSocket[] = [];
    const transport = engine.transport();
    const connect = transport.connect.bind(transport);
    transport.connect = async (target, signal) => {
      const connection = await connect(target, signal);
      if (connection.stream instanceof TLSSocket) sockets.push(connection.stream);
      return connection;
    };
    const { channel, control } = await live(timeoutMs, transport);
    const bytesRead = () => sockets[0]?.bytesRead ?? 0;
    const acknowledge = async (acknowledgement: bigint) => {
      const before = bytesRead();
      control.send({ case: 'heartbeat', value: { acknowledgement } });
      await eventually('the client has read it', () => bytesRead() > before);
    };
    return { channel, acknowledge };
  };
  const stillOpen = async (channel: ControlChannel) =>
    expect(await Promise.race([channel.done, 'open'])).to.equal('open');
  /** Lets the client handle everything sent so far. */
  let probes = 0;
  const settled = (opened: { channel: ControlChannel; control: EngineSide }) => {
    probes += 1;
    return openTunnel(opened, {}, { id: `probe-${probes}` });
  };

  it('case 27: asks for its interval and leaves the timeout to the engine', async () => {
    const opening = openControlChannel(engine.options({ heartbeatIntervalMs: 1_000 }));
    const control = await engine.next();
    const { liveness } = await control.expect('openControlChannelReq');
    control.send(okResponse());
    const channel = await opening;
    channel.drop();

    expect(liveness).to.include({ heartbeatIntervalMs: 1_000, heartbeatTimeoutMs: 0 });
  });

  it('case 28: without heartbeats liveness is absent, and must not come back', async () => {
    const opening = openControlChannel(engine.options({ heartbeatIntervalMs: 'off' }));
    const control = await engine.next();
    const { liveness } = await control.expect('openControlChannelReq');
    control.send(okResponse({ liveness: { heartbeatIntervalMs: 1_000, heartbeatTimeoutMs: 1_000 } }));

    expect(liveness).to.equal(undefined);
    expect(await rejection(opening)).to.have.property('code', 'ERR_RSTREAM_PROTOCOL');
  });

  for (const [heartbeatIntervalMs, heartbeatTimeoutMs] of [
    [2_000, 60_000],
    [1_000, 999],
    [1_000, 900_001],
  ] as const) {
    it(`case 29: refuses a policy of ${heartbeatIntervalMs}/${heartbeatTimeoutMs} ms`, async () => {
      const opening = openControlChannel(engine.options({ heartbeatIntervalMs: 1_000 }));
      const control = await engine.next();
      control.send(okResponse({ liveness: { heartbeatIntervalMs, heartbeatTimeoutMs } }));

      expect(await rejection(opening)).to.have.property('code', 'ERR_RSTREAM_PROTOCOL');
    });
  }

  for (const timeoutMs of [1_000, 900_000]) {
    it(`case 29: accepts a policy of 1000/${timeoutMs} ms`, async () => {
      await stillOpen((await live(timeoutMs)).channel);
    });
  }

  it('refuses an interval out of range before any traffic', async () => {
    for (const heartbeatIntervalMs of [999, 300_001, 1_000.5]) {
      const error = await rejection(openControlChannel(engine.options({ heartbeatIntervalMs })));
      expect(error).to.have.property('code', 'ERR_RSTREAM_INVALID_CONFIG');
    }
    expect(engine.connections).to.have.length(0);
  });

  it('case 30: numbers its heartbeats 1, 2, 3, 4, the first at once', async () => {
    const { control } = await live(900_000);
    const sequences = [];
    for (let beat = 1; beat <= 4; beat += 1) {
      const { sequence, acknowledgement } = await control.expect('heartbeat');
      expect(acknowledgement).to.equal(0n);
      sequences.push(sequence);
      await clock.advance(1_000);
    }

    expect(sequences).to.deep.equal([1n, 2n, 3n, 4n]);
  });

  it('case 31: an acknowledgement late by less than the timeout keeps it open', async () => {
    const { channel, acknowledge } = await acknowledged(1_000);
    await clock.advance(800);
    await acknowledge(1n);
    await clock.advance(300);
    await stillOpen(channel);

    await clock.advance(700);
    expect((await channel.done).kind, 'it was that acknowledgement').to.equal('soft');
  });

  it('case 32: silence ends it', async () => {
    const { channel } = await live(1_500);
    await clock.advance(1_499);
    await stillOpen(channel);
    await clock.advance(1);

    const end = await channel.done;
    expect(end.kind).to.equal('soft');
    expect(end).to.have.nested.property('error.code', 'ERR_RSTREAM_CONTROL_LIVENESS');
  });

  it('case 33: any frame keeps it open', async () => {
    const opened = await live(1_000);
    for (let half = 0; half < 6; half += 1) {
      await clock.advance(500);
      opened.control.raw(Buffer.alloc(4));
      await settled(opened);
    }

    await stillOpen(opened.channel);
  });

  it('case 34: every second heartbeat acknowledged is enough', async () => {
    const { channel, acknowledge } = await acknowledged(2_500);
    for (let beat = 1n; beat <= 4n; beat += 1n) {
      if (beat % 2n === 0n) await acknowledge(beat);
      await clock.advance(1_000);
    }
    await stillOpen(channel);

    await clock.advance(1_500);
    expect((await channel.done).kind, 'it was those acknowledgements').to.equal('soft');
  });

  for (const [what, heartbeats] of [
    ['case 35: the acknowledgement of a heartbeat not sent yet', [{ acknowledgement: 2n }]],
    ['case 36: the same acknowledgement twice', [{ acknowledgement: 1n }, { acknowledgement: 1n }]],
    ['case 37: an empty heartbeat', [{}]],
    ['case 37: a numbered heartbeat', [{ sequence: 1n }]],
  ] as const) {
    it(`${what} is a protocol error`, async () => {
      const { channel, control } = await live(60_000);
      for (const value of heartbeats) control.send({ case: 'heartbeat', value });

      const end = await channel.done;
      expect(end.kind).to.equal('hard');
      expect(end).to.have.nested.property('error.code', 'ERR_RSTREAM_PROTOCOL');
    });
  }

  it('case 38: an engine that declined gets empty heartbeats and may be silent for ever', async () => {
    const { channel, control } = await engine.open({ clock, heartbeatIntervalMs: 1_000 });
    for (let beat = 0; beat < 20; beat += 1) {
      expect(await control.expect('heartbeat')).to.include({ sequence: 0n, acknowledgement: 0n });
      await clock.advance(1_000);
    }

    control.send({ case: 'heartbeat', value: {} });
    await settled({ channel, control });
    await stillOpen(channel);
  });

  it('refuses any heartbeat when heartbeats are off, and numbered ones when nobody agreed', async () => {
    const off = await engine.open({ clock });
    off.control.send({ case: 'heartbeat', value: {} });
    expect((await off.channel.done).kind).to.equal('hard');

    const legacy = await engine.open({ clock, heartbeatIntervalMs: 1_000 });
    legacy.control.send({ case: 'heartbeat', value: { acknowledgement: 1n } });
    expect((await legacy.channel.done).kind).to.equal('hard');
  });

  it('case 41: after silence accepted streams carry on until the tunnel is closed explicitly', async () => {
    const opened = await live(1_000);
    const tunnel = await openTunnel(opened);
    const { dialled, stream } = await acceptStream(engine, opened, tunnel);
    await clock.advance(1_000);

    expect((await opened.channel.done).kind).to.equal('soft');
    expect(await tunnel.done).to.equal('channel');
    dialled.raw('to the agent');
    expect((await readBytes(stream.connection.stream, 12)).toString()).to.equal('to the agent');
    stream.connection.stream.write('to the engine');
    expect(await dialled.text(13)).to.equal('to the engine');

    await tunnel.close();
    await dialled.end();
  });

  it('case 42: a stream nobody accepted goes with the channel', async () => {
    const opened = await live(1_000);
    await openTunnel(opened);
    const { dialled } = await dialBack(engine, opened.control);
    await opened.control.skipTo('proxyConnRsp');
    await clock.advance(1_000);

    await dialled.end();
  });

  it('case 43: an accepted stream survives the end of file of its channel, but not an explicit close', async () => {
    const opened = await live(60_000);
    const { dialled, stream } = await acceptStream(engine, opened, await openTunnel(opened));
    opened.control.stream.end();
    expect((await opened.channel.done).kind).to.equal('soft');
    stream.connection.stream.write('alive');
    expect(await dialled.text(5)).to.equal('alive');

    await opened.channel.close();
    await dialled.end();
  });

  it('case 43: closing a live channel closes its streams, also those of a released tunnel', async () => {
    const opened = await live(60_000);
    const tunnel = await openTunnel(opened);
    const accepting = acceptBytes(tunnel);
    const { dialled } = await dialBack(engine, opened.control);
    await accepting;
    const releasing = tunnel.release();
    await opened.control.skipTo('closeTunnelReq');
    opened.control.send({ case: 'closeTunnelRsp', value: { tunnelId: 't1' } });
    await releasing;
    expect(dialled.ended).to.equal(false);

    const closing = opened.channel.close();
    await opened.control.skipTo('closeControlChannelReq');
    opened.control.send({ case: 'closeControlChannelRsp', value: {} });
    await closing;
    await dialled.end();
  });
});
