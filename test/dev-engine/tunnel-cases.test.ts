// Opening, naming and closing tunnels.

import { expect } from 'chai';
import type { Engine } from '../../src/dev-engine/engine.ts';
import { startTestEngine } from '../support/dev-engine.ts';
import { eventually } from '../support/eventually.ts';
import { details, RawAgent, RawConnection } from '../support/raw-client.ts';

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 0,
    (error: { code: number }) => error.code,
  );

describe('dev engine: tunnels', () => {
  let engine: Engine;
  before(async () => {
    engine = await startTestEngine({ tcpPorts: { from: 23_100, to: 23_199 } });
  });
  after(() => engine.close());

  it('case 45: echoes the request id and fills in id, type, protocol, publish, hostname and port', async () => {
    const client = await RawConnection.connect(engine);
    client.send({ case: 'openControlChannelReq', value: { clientDetails: details('T') } });
    await client.next();
    client.send({
      case: 'openTunnelReq',
      value: { requestId: 'any id ✓', tunnelProperties: { name: 'web' } },
    });
    const { requestId, payload } = await client.expect('openTunnelRsp');
    expect(requestId).to.equal('any id ✓');
    const properties = payload.case === 'tunnelProperties' ? payload.value : undefined;
    expect(properties).to.include({ name: 'web', type: 'bytestream', protocol: 'http', publish: true });
    expect(properties?.id).to.match(/^tun_/);
    expect(properties?.creationDate?.seconds).to.be.a('bigint');
    expect(properties?.hostname).to.match(/^r[0-9a-f]{8}-0de7e460\.t\.engine\.test$/);
    expect(properties?.port).to.equal(engine.port);
    client.close();
  });

  it('case 57: refuses a hostname in use and gives it away once its holder is gone', async () => {
    const [one, two] = [await RawAgent.start(engine), await RawAgent.start(engine)];
    const hostname = 'web-0de7e460.t.engine.test';
    await one.open({ hostname });
    expect(await codeOf(two.open({ hostname }))).to.equal(2000);
    one.close();
    await eventually('the name is free', () => !engine.routes.isHeld(`host:${hostname}`));
    expect((await two.open({ hostname })).hostname).to.equal(hostname);
    two.close();
  });

  it('case 58: publishes unless told not to, and gives a private tunnel no address', async () => {
    const agent = await RawAgent.start(engine);
    expect((await agent.open({ protocol: 'tls' })).hostname).to.match(/\.t\.engine\.test$/);
    const hidden = await agent.open({ publish: false, name: 'db' });
    expect([hidden.hostname, hidden.port, hidden.host]).to.deep.equal([undefined, undefined, undefined]);
    expect(hidden.protocol).to.equal(undefined);
    expect(hidden.type).to.equal('bytestream');
    agent.close();
  });

  it('accepts the stable name a client derives from the name it dialled, and refuses names that are not its own', async () => {
    const agent = await RawAgent.start(engine, { serverName: 'rstream-engine.demo.svc' });
    const hostname = 'r0123abcd-rstream-engine.t.demo.svc';
    expect((await agent.open({ hostname })).hostname).to.equal(hostname);
    expect(await codeOf(agent.open({ hostname: 'www.example.com' }))).to.equal(2000);
    expect(await codeOf(agent.open({ hostname: '0de7e460.engine.test' }))).to.equal(2000);
    expect(await codeOf(agent.open({ hostname: 'x_y.t.engine.test' }))).to.equal(2000);
    agent.close();
  });

  it('gives tcp tunnels a free port of its range or the one asked for', async () => {
    const agent = await RawAgent.start(engine);
    const any = await agent.open({ protocol: 'tcp' });
    expect(any.port).to.be.within(23_100, 23_199);
    expect(any.hostname).to.equal('127.0.0.1');
    const chosen = any.port === 23_150 ? 23_151 : 23_150;
    expect((await agent.open({ protocol: 'tcp', port: chosen })).port).to.equal(chosen);
    expect(await codeOf(agent.open({ protocol: 'tcp', port: chosen }))).to.equal(2000);
    expect(await codeOf(agent.open({ protocol: 'tcp', port: 80 }))).to.equal(2000);
    agent.close();
  });

  it('answers CloseTunnelReq, also for a tunnel it does not know', async () => {
    const agent = await RawAgent.start(engine);
    const { id: tunnelId = '' } = await agent.open({ publish: false });
    for (const id of [tunnelId, 'tun_unknown'])
      agent.control.send({ case: 'closeTunnelReq', value: { tunnelId: id } });
    await eventually('both are answered', () => agent.closedTunnels.length === 2);
    expect(agent.closedTunnels).to.deep.equal([tunnelId, 'tun_unknown']);
    expect(engine.registry.tunnel(tunnelId)).to.equal(undefined);
    agent.close();
  });

  it('leaves the tunnels of other clients alone', async () => {
    const [one, two] = [await RawAgent.start(engine), await RawAgent.start(engine)];
    const { id: tunnelId = '' } = await one.open({ publish: false });
    two.control.send({ case: 'closeTunnelReq', value: { tunnelId } });
    await eventually('it is answered', () => two.closedTunnels.length === 1);
    expect(engine.registry.tunnel(tunnelId)?.owner.id).to.equal(one.clientId);
    one.close();
    two.close();
  });

  it('opens at most 256 tunnels for one client', async () => {
    const agent = await RawAgent.start(engine);
    const opened = await Promise.all(
      Array.from({ length: 256 }, () => codeOf(agent.open({ publish: false }))),
    );
    expect(new Set(opened)).to.deep.equal(new Set([0]));
    expect(await codeOf(agent.open({ publish: false }))).to.equal(7000);
    agent.close();
  });

  it('under takeover the newcomer gets the name and the old tunnel is closed unasked', async () => {
    const other = await startTestEngine({ hostnameConflict: 'takeover' });
    const [one, two] = [await RawAgent.start(other), await RawAgent.start(other)];
    const hostname = 'web-0de7e460.t.engine.test';
    const { id: first } = await one.open({ hostname });
    const { id: second } = await two.open({ hostname });
    await eventually('the old one is told', () => one.closedTunnels.length === 1);
    expect(one.closedTunnels).to.deep.equal([first]);
    expect(other.routes.pick(`host:${hostname}`)?.id).to.equal(second);
    one.close();
    two.close();
    await other.close();
  });

  it('under share both hold the name and visitors take turns', async () => {
    const other = await startTestEngine({ hostnameConflict: 'share' });
    const [one, two] = [await RawAgent.start(other), await RawAgent.start(other)];
    const hostname = 'web-0de7e460.t.engine.test';
    const ids = [(await one.open({ hostname })).id, (await two.open({ hostname })).id];
    const picked = [1, 2, 3].map(() => other.routes.pick(`host:${hostname}`)?.id);
    expect(new Set(picked)).to.deep.equal(new Set(ids));
    one.close();
    await eventually('one is left', () => other.registry.tunnels.length === 1);
    expect(other.routes.pick(`host:${hostname}`)?.id).to.equal(ids[1]);
    two.close();
    await other.close();
  });

  it('records for how long a name had no owner', async () => {
    const [one, two] = [await RawAgent.start(engine), await RawAgent.start(engine)];
    const hostname = 'gap-0de7e460.t.engine.test';
    const { id: tunnelId = '' } = await one.open({ hostname });
    one.control.send({ case: 'closeTunnelReq', value: { tunnelId } });
    await eventually('it is closed', () => one.closedTunnels.length === 1);
    await two.open({ hostname });
    const gap = engine.recorder.entries.findLast((entry) => entry.kind === 'gap');
    expect(gap?.kind === 'gap' && gap.route).to.equal(`host:${hostname}`);
    expect(gap?.kind === 'gap' && gap.gapMs).to.be.at.least(0);
    one.close();
    two.close();
  });
});
