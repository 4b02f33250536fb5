import { expect } from 'chai';
import { childNames } from '../../src/api/names.ts';
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
