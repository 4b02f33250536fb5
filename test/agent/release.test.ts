// Letting go on SIGTERM, whatever the engine does or does not: within the grace period, and never without need.

import { expect } from 'chai';
import { Forwarder } from '../../src/agent/forwarder.ts';
import { AgentMetrics } from '../../src/agent/metrics.ts';
import { Pulse } from '../../src/agent/pulse.ts';
import { letGo, type ReleaseMode } from '../../src/agent/release.ts';
import { TargetHealth } from '../../src/agent/target-health.ts';
import { silentLogger as log } from '../../src/common/logging.ts';
import type { Tunnel } from '../../src/rstream/client-types.ts';
import type { EngineSide } from '../support/engine-side.ts';
import { eventually } from '../support/eventually.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { type OpenChannel, openTunnel, ScriptedEngine } from '../support/scripted-engine.ts';
import { dialBack, newStreamId } from '../support/streams.ts';
import { echoService, type TcpService, tcpService } from '../support/tcp-service.ts';

const drainMs = 25_000;

describe('letting go', () => {
  let engine: ScriptedEngine;
  let service: TcpService;
  let clock: ManualClock;
  let metrics: AgentMetrics;
  let pulse: Pulse;
  let opened: OpenChannel;
  let tunnel: Tunnel;
  let control: EngineSide;
  let forwarder: Forwarder;
  let accepting: Promise<void>;

  beforeEach(async () => {
    engine = await ScriptedEngine.start();
    service = await echoService();
    clock = new ManualClock();
    metrics = new AgentMetrics(clock);
    pulse = new Pulse(clock);
    opened = await engine.open({ clock });
    control = opened.control;
    tunnel = await openTunnel(opened);
    const target = { host: '127.0.0.1', port: service.port };
    forwarder = new Forwarder({ target, clock, log, metrics, health: new TargetHealth(() => {}) });
    accepting = (async () => {
      for (let stream = await tunnel.accept(); stream; stream = await tunnel.accept())
        void forwarder.forward(stream);
    })();
  });
  afterEach(async () => {
    forwarder.cut();
    opened.channel.drop();
    await engine.stop();
    await service.close();
  });

  function leave(release: ReleaseMode = 'close', grace = drainMs) {
    let left = false;
    const { channel } = opened;
    const parts = { forwarder, metrics, pulse, clock, log };
    const leaving = letGo({ ...parts, channel, tunnel, accepting, release, drainMs: grace }).then(() => {
      left = true;
    });
    return { leaving, left: () => left };
  }

  /** A stream that is open and echoes. */
  async function stream(): Promise<EngineSide> {
    const { dialled } = await dialBack(engine, control);
    dialled.raw('open');
    expect(await dialled.text(4)).to.equal('open');
    return dialled;
  }

  const drained = async () =>
    (await metrics.registry.getSingleMetric('rstream_agent_drain_seconds')?.get())?.values[0]?.value;

  it('closes the tunnel, answers requests until that is confirmed, waits for streams, closes the channel', async () => {
    const old = await stream();
    const { leaving, left } = leave();
    await control.skipTo('closeTunnelReq');
    const late = await stream();
    control.send({ case: 'closeTunnelRsp', value: { tunnelId: tunnel.id } });
    await clock.advance(20_000);
    expect(await drained()).to.equal(20);
    expect(left()).to.equal(false);
    for (const each of [old, late]) {
      each.raw('more');
      expect(await each.text(4)).to.equal('more');
      each.stream.end();
    }
    await control.skipTo('closeControlChannelReq');
    control.send({ case: 'closeControlChannelRsp', value: {} });
    await leaving;
    await eventually('no timer is left', () => clock.pending === 0);
  });

  it('refuses what is asked after the tunnel is closed', async () => {
    const { leaving } = leave();
    await control.skipTo('closeTunnelReq');
    control.send({ case: 'closeTunnelRsp', value: { tunnelId: tunnel.id } });
    await control.skipTo('closeControlChannelReq');
    control.send({
      case: 'proxyConnReq',
      value: { tunnelId: tunnel.id, streamId: newStreamId(), secret: 's' },
    });
    expect((await control.skipTo('proxyConnRsp')).error?.code).to.equal(4000);
    control.send({ case: 'closeControlChannelRsp', value: {} });
    await leaving;
  });

  it('is gone three seconds after the drain though the engine answers nothing', async () => {
    const old = await stream();
    const { leaving, left } = leave();
    await clock.advance(5_000);
    await clock.advance(drainMs - 5_000 - 1);
    expect(old.closed).to.equal(false);
    await clock.advance(1);
    await eventually('what is left is cut', () => old.closed);
    await clock.advance(2_999);
    expect(left()).to.equal(false);
    await clock.advance(1);
    await leaving;
    expect(pulse.failure()).to.equal(undefined);
    await eventually('the engine sees the end', () => control.ended);
  });

  it('does not wait for a dial-back that hangs longer than its time', async () => {
    const hole = await tcpService(() => {});
    const proxyEndpoint = `127.0.0.1:${hole.port}`;
    const value = { tunnelId: tunnel.id, streamId: newStreamId(), secret: 's', proxyEndpoint };
    control.send({ case: 'proxyConnReq', value });
    await eventually('it hangs', () => hole.sockets.size === 1);
    const { leaving } = leave();
    await control.skipTo('closeTunnelReq');
    control.send({ case: 'closeTunnelRsp', value: { tunnelId: tunnel.id } });
    // Two attempts of ten seconds each.
    await clock.advance(10_000);
    await eventually('it hangs again', () => hole.sockets.size >= 1);
    await clock.advance(10_000);
    await control.skipTo('closeControlChannelReq');
    control.send({ case: 'closeControlChannelRsp', value: {} });
    await leaving;
    await hole.close();
  });

  it('with drop says nothing, and waits for its streams all the same', async () => {
    const old = await stream();
    await control.expect('proxyConnRsp');
    const { leaving, left } = leave('drop');
    await eventually('the engine sees the end', () => control.ended);
    await clock.advance(1_000);
    expect(left()).to.equal(false);
    old.raw('more');
    expect(await old.text(4)).to.equal('more');
    old.stream.end();
    await leaving;
    expect(control.unread).to.have.length(0);
  });

  it('is never taken for stuck while its streams have an hour to end, though nothing beats any more', async () => {
    const old = await stream();
    const { leaving } = leave('drop', 3_600_000);
    await eventually('the engine sees the end', () => control.ended);
    for (let minutes = 0; minutes < 59; minutes += 1) {
      await clock.advance(60_000);
      expect(pulse.failure(), `after ${minutes} minutes`).to.equal(undefined);
    }
    old.stream.end();
    await leaving;
  });

  it('goes on when the control channel is lost meanwhile', async () => {
    const old = await stream();
    const { leaving } = leave();
    await control.skipTo('closeTunnelReq');
    control.destroy();
    await opened.channel.done;
    old.raw('more');
    expect(await old.text(4)).to.equal('more');
    old.stream.end();
    await leaving;
  });
});
