import { expect } from 'chai';
import type { RstreamConnectionSpec, RstreamTunnelSpec } from '../../src/api/resources.ts';
import type { TunnelResolution } from '../../src/manager/resolve-tunnel.ts';
import { tunnelPlan } from '../../src/manager/tunnel-plan.ts';
import { tunnelOf } from './fixtures.ts';

const spec: RstreamConnectionSpec = {
  engine: 'p1.edge.example.com',
  tokenSecretRef: { name: 's', key: 'k' },
};
const engine = 'p1.edge.example.com:443';
const target = { host: 'app.shop.svc', port: 80, protocol: 'TCP' } as const;
const resolved: TunnelResolution = {
  resolved: { connection: { spec, engine, secretsDigest: 'd' }, target },
};
const missing: TunnelResolution = { blocked: { reason: 'ServiceMissing', message: 'create it' } };
const denied: TunnelResolution = { blocked: { reason: 'RefNotPermitted', message: 'no', denied: true } };

function plan(
  resolution: TunnelResolution,
  tunnel: Partial<RstreamTunnelSpec> = {},
  specProblem?: string,
): ReturnType<typeof tunnelPlan> {
  const common = { agentImage: 'agent:1', clusterId: 'cluster', previousHostname: undefined };
  return tunnelPlan({ ...common, tunnel: tunnelOf(tunnel), resolution, specProblem });
}
const kindsOf = (made: ReturnType<typeof tunnelPlan>) =>
  made.action === 'apply' ? made.manifests.map(({ kind }) => kind) : made;

describe('the plan for a tunnel', () => {
  const withoutAgent = ['ConfigMap', 'ServiceAccount', 'Role', 'RoleBinding'];

  it('is all of its children', () => {
    expect(kindsOf(plan(resolved))).to.deep.equal([...withoutAgent, 'Deployment']);
    const two = { hostname: 'web.example.com', agent: { replicas: 2 } };
    expect(kindsOf(plan(resolved, two))).to.deep.equal([
      ...withoutAgent,
      'Deployment',
      'PodDisruptionBudget',
    ]);
  });

  it('is everything but agents while it is suspended', () => {
    const two = { hostname: 'web.example.com', agent: { replicas: 2 }, suspend: true };
    expect(kindsOf(plan(resolved, two))).to.deep.equal(withoutAgent);
  });

  const others: readonly (readonly [string, ReturnType<typeof plan>, string])[] = [
    ['something is missing', plan(missing), 'leave'],
    ['its spec cannot work', plan(resolved, {}, 'no such image'), 'leave'],
    ['policy refuses it', plan(denied), 'stop'],
    ['it is suspended while something is missing', plan(missing, { suspend: true }), 'stop'],
    ['it is suspended while its spec cannot work', plan(resolved, { suspend: true }, 'no'), 'stop'],
  ];
  for (const [when, made, action] of others) {
    it(`is to ${action === 'leave' ? 'leave what runs' : 'run no agent'} when ${when}`, () => {
      expect(made).to.deep.equal({ action });
    });
  }

  it('takes the image of the tunnel before that of the manager', () => {
    const imageOf = (image?: string) =>
      /"image":"([^"]+)"/.exec(
        JSON.stringify(plan(resolved, image === undefined ? {} : { agent: { image } })),
      )?.[1];
    expect([imageOf(), imageOf(' '), imageOf(' own:2 ')]).to.deep.equal(['agent:1', 'agent:1', 'own:2']);
  });

  it('says why fewer agents run than were asked for', () => {
    const noteOf = (tunnel: Partial<RstreamTunnelSpec>, of = resolved) => {
      const made = plan(of, tunnel);
      return made.action === 'apply' ? made.note : made;
    };
    const nameless = { connection: { spec, engine: '192.0.2.1:443', secretsDigest: 'd' }, target };
    expect(noteOf({})).to.equal(undefined);
    expect(noteOf({}, { resolved: nameless })).to.include('no stable hostnames');
    expect(noteOf({ publish: false, agent: { replicas: 2 } })).to.include('one agent');
  });
});
