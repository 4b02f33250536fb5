import { expect } from 'chai';
import { findCondition } from '../../src/api/conditions.ts';
import { childNames } from '../../src/api/names.ts';
import type { RstreamTunnelSpec } from '../../src/api/resources.ts';
import { blocked } from '../../src/manager/blocked.ts';
import type { TunnelPlan } from '../../src/manager/tunnel-plan.ts';
import { type TunnelStatusInput, tunnelStatus } from '../../src/manager/tunnel-status.ts';
import { AGENT_PROPS } from '../charts-ts/agent-fixture.ts';
import { deployment, tunnelOf, UID } from './fixtures.ts';

const { config } = AGENT_PROPS;
const keep: TunnelPlan = { action: 'keep', kinds: ['Deployment'], config, hash: 'h1', note: undefined };
const { base } = childNames('web', UID);

describe('the Deployment in the status of a tunnel', () => {
  function shown(input: Partial<TunnelStatusInput>): string | undefined {
    const missing = blocked('ServiceMissing', 'there is no Service');
    const nothing = { specProblem: undefined, refusal: undefined, liveConfig: undefined, pods: [], now: 0 };
    const given = { tunnel: tunnelOf(), resolution: missing, plan: keep, deployment: deployment() };
    return tunnelStatus({ ...nothing, ...given, ...input }).fields.agentDeployment;
  }
  const known = tunnelOf({}, { agentDeployment: base });

  const cases: readonly (readonly [string, Partial<TunnelStatusInput>, string | undefined])[] = [
    ['is named while it is there', {}, base],
    ['is named while something is missing and it goes on', { plan: { action: 'leave' } }, base],
    ['is not named before it is there', { deployment: undefined }, undefined],
    ['is not named because it was', { tunnel: known, deployment: undefined }, undefined],
    [
      'is not named when no agent may run, although it is going still',
      { plan: { action: 'stop' } },
      undefined,
    ],
    ['is not named while the tunnel is suspended', { tunnel: tunnelOf({ suspend: true }) }, undefined],
    [
      'is named while it could not be looked for, because it was',
      { tunnel: known, deployment: undefined, trouble: 'scripted 500' },
      base,
    ],
    [
      'is not named while it could not be looked for, when it never was',
      { deployment: undefined, trouble: 'scripted 500' },
      undefined,
    ],
  ];
  for (const [what, input, wanted] of cases) {
    it(what, () => {
      expect(shown(input)).to.equal(wanted);
    });
  }
});

const spec = { engine: 'e.example.com', tokenSecretRef: { name: 's', key: 'k' } };
const resolved: TunnelStatusInput['resolution'] = {
  resolved: {
    connection: { spec, engine: 'e.example.com:443', secretsDigest: 'd' },
    target: { host: 'app.shop.svc', port: 80, protocol: 'TCP' },
  },
};
const missing = blocked('ServiceMissing', 'create it');
const denied = blocked('RefNotPermitted', 'no', true);

function statusOf(more: Partial<TunnelStatusInput>, tunnel: Partial<RstreamTunnelSpec> = {}) {
  return tunnelStatus({
    ...{ tunnel: tunnelOf(tunnel), specProblem: undefined, resolution: resolved, plan: keep },
    ...{ refusal: undefined, deployment: deployment(), pods: [], now: 0, liveConfig: undefined },
    ...more,
  });
}
const agentReady = (of: ReturnType<typeof statusOf>) => findCondition(of.conditions, 'AgentReady');

describe("a tunnel's status", () => {
  it('tells what is asked for, and where traffic goes', () => {
    const { fields, conditions } = statusOf({});
    expect(fields).to.deep.equal({
      rstreamName: 'demo-web',
      hostname: 'r1a2b3c4d.t.engine.example.com',
      target: 'http-server.demo.svc:80',
      agentDeployment: base,
    });
    expect(findCondition(conditions, 'Resolved')?.message).to.equal(
      'forwarding from engine e.example.com:443 to app.shop.svc:80',
    );
  });

  it('goes on telling what runs while something is missing', () => {
    const { fields } = statusOf({ resolution: missing, plan: { action: 'leave' }, liveConfig: config });
    expect(fields).to.include({ target: 'http-server.demo.svc:80', agentDeployment: base });
  });

  const none = { deployment: undefined, plan: { action: 'leave' } } as const;
  for (const [when, found, message] of [
    ['suspended', statusOf({}, { suspend: true }), 'no agent runs, because spec.suspend is true'],
    [
      'missing something',
      statusOf({ ...none, resolution: missing }),
      'before everything is there; see Resolved',
    ],
    [
      'refused',
      statusOf({ ...none, resolution: denied, plan: { action: 'stop' } }),
      'while this is refused; see Resolved',
    ],
    ['invalid', statusOf({ ...none, specProblem: 'no such image' }), 'see Accepted'],
    ['being deployed', statusOf({ deployment: undefined }), `Deployment ${base} is not available yet`],
  ] as const) {
    it(`says why no agent runs while it is ${when}`, () => {
      expect(agentReady(found)).to.include({ status: 'False', reason: 'DeploymentPending' });
      expect(agentReady(found)?.message).to.include(message);
    });
  }
});
