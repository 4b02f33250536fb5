// From every valid spec to an agent: what the API server takes, the manager turns into a configuration that the agent takes
// and into objects that Kubernetes can have.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { validateConnection, validateTunnel } from '../../charts-ts/schema/validate.ts';
import { type AgentSettings, readSettings } from '../../src/agent/settings.ts';
import { stringifyAgentConfig } from '../../src/api/agent-config.ts';
import type { RstreamConnectionSpec, RstreamTunnelSpec } from '../../src/api/resources.ts';
import { connectionSpecProblem } from '../../src/manager/connection-plan.ts';
import { tunnelType } from '../../src/manager/tunnel-config.ts';
import { tunnelPlan } from '../../src/manager/tunnel-plan.ts';
import { connectionCases } from '../support/connection-cases.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { randomConnection, randomTunnel } from '../support/random-specs.ts';
import { tunnelCases } from '../support/tunnel-cases.ts';
import { tunnelOf } from './fixtures.ts';

const engine = 'p1.edge.example.com:443';
const plain: RstreamConnectionSpec = { engine, tokenSecretRef: { name: 's', key: 'k' } };

describe('valid specs', () => {
  const directory = mkdtempSync(join(tmpdir(), 'rstream-specs-'));
  after(() => rmSync(directory, { recursive: true, force: true }));

  /** What the agent makes of it; throws where it refuses to start. */
  function agentOf(spec: Partial<RstreamTunnelSpec>, connection: RstreamConnectionSpec): AgentSettings {
    const tunnel = tunnelOf(spec);
    const protocol = tunnelType(tunnel.spec) === 'datagram' ? 'UDP' : 'TCP';
    const target = { host: 'app.shop.svc', port: 80, protocol } as const;
    const ready = { spec: connection, engine, secretsDigest: 'd' };
    const plan = tunnelPlan({
      tunnel,
      resolution: { resolved: { connection: ready, target } },
      specProblem: undefined,
      agentImage: 'agent:test',
      clusterId: 'cluster',
      previousHostname: undefined,
    });
    if (plan.action !== 'apply') throw new Error(JSON.stringify(plan));
    expect(plan.manifests.map(({ kind }) => kind)).to.include.members([
      'ConfigMap',
      'ServiceAccount',
      'Role',
      'RoleBinding',
    ]);

    const file = join(directory, 'config.yaml');
    writeFileSync(file, stringifyAgentConfig(plan.config));
    const env = {
      RSTREAM_AGENT_POD_NAME: 'pod',
      RSTREAM_AGENT_POD_NAMESPACE: 'shop',
      ...(connection.tokenSecretRef && { RSTREAM_AUTHENTICATION_TOKEN: 'token' }),
      ...(connection.transport?.proxy?.usernameSecretRef && {
        RSTREAM_PROXY_USERNAME: 'user',
        RSTREAM_PROXY_PASSWORD: 'password',
      }),
    };
    const settings = readSettings([`--config=${file}`], env, new ManualClock());
    if (settings === undefined) throw new Error('the agent only printed its usage');
    return settings;
  }

  for (const { title, spec, refused } of tunnelCases) {
    if (refused) continue;
    it(`of a tunnel reach the agent: ${title}`, () => {
      const settings = agentOf(spec as RstreamTunnelSpec, plain);
      expect(settings.report).to.deep.equal({
        tunnel: { namespace: 'shop', name: 'web', uid: tunnelOf().metadata.uid },
        podName: 'pod',
      });
    });
  }

  it('of a tunnel reach the agent in every combination', () => {
    const isValid = (spec: object) => validateTunnel(spec).length === 0;
    fc.assert(
      fc.property(randomTunnel.filter(isValid), (spec) => {
        agentOf(spec as RstreamTunnelSpec, plain);
      }),
      { numRuns: 100 },
    );
  });

  it('of a connection reach the agent in every combination, or are told apart before', () => {
    const isValid = (spec: object) =>
      validateConnection(spec).length === 0 && connectionSpecProblem(spec) === undefined;
    fc.assert(
      fc.property(randomConnection.filter(isValid), (spec) => {
        agentOf({}, spec);
      }),
      { numRuns: 100 },
    );
  });

  for (const { title, spec, refused } of connectionCases) {
    if (refused) continue;
    it(`of a connection reach the agent: ${title}`, () => {
      const connection = spec as RstreamConnectionSpec;
      expect(connectionSpecProblem(connection)).to.equal(undefined);
      const settings = agentOf({}, connection);
      expect(settings.token).to.equal(connection.tokenSecretRef ? 'token' : undefined);
    });
  }
});
