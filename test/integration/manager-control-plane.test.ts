// Connections that ask a control plane: every answer it can give, then a good one; and what tunnels do meanwhile.

import { expect } from 'chai';
import { configMaps, deployments } from '../../src/kube/well-known.ts';
import { eventually } from '../support/eventually.ts';
import { ManagerHarness } from '../support/manager-harness.ts';
import type { ManagerProcess } from '../support/manager-process.ts';
import { childrenOf } from '../support/rstream-resources.ts';
import {
  ASKING_FLAGS,
  answer,
  type ControlPlaneAnswer,
  project,
  ScriptedControlPlane,
} from '../support/scripted-control-plane.ts';

describe('the manager and control planes', function () {
  this.timeout(240_000);
  let harness: ManagerHarness;
  let manager: ManagerProcess;
  let plane: ScriptedControlPlane;
  let silent: ScriptedControlPlane;
  let ignored: string;

  before(async () => {
    harness = await ManagerHarness.start();
    manager = await harness.manager(ASKING_FLAGS);
    silent = await ScriptedControlPlane.start();
    silent.answer = () => {};
    ignored = await world(silent);
  });
  after(async () => {
    await silent?.stop();
    await harness?.stop();
  });
  beforeEach(async () => {
    plane = await ScriptedControlPlane.start();
  });
  afterEach(async () => await plane.stop());

  async function world(asked = plane): Promise<string> {
    const namespace = await harness.namespace();
    await Promise.all([harness.secret(namespace), harness.service(namespace)]);
    await harness.connection(namespace, { projectEndpoint: 'ab12cd34', apiURL: asked.url });
    await harness.tunnelOf(namespace);
    return namespace;
  }

  const cases: readonly (readonly [string, ControlPlaneAnswer, string])[] = [
    ['401', answer(401, 'body-canary'), 'Unauthorized'],
    ['403', answer(403, 'body-canary'), 'Forbidden'],
    ['404', answer(404, 'body-canary'), 'ProjectNotFound'],
    ['429 with Retry-After', answer(429, 'body-canary', { 'retry-after': '3' }), 'ControlPlaneUnavailable'],
    ['500', answer(500, 'body-canary'), 'ControlPlaneUnavailable'],
    ['garbage', answer(200, '<body-canary>'), 'ControlPlaneUnavailable'],
    ['a cut connection', (response) => response.destroy(), 'ControlPlaneUnavailable'],
  ];
  for (const [what, first, reason] of cases) {
    it(`says ${reason} on ${what}, asks seldom, and heals`, async () => {
      plane.answer = first;
      const sinceMs = performance.now();
      const namespace = await world();
      const ready = await harness.connectionReason(namespace, reason);
      expect(ready.message).to.not.include('body-canary');
      await harness.reason(namespace, 'Ready', 'ConnectionNotReady');
      const asked = plane.requests.length;
      expect(asked).to.be.at.most(2 + (performance.now() - sinceMs) / 1000);

      plane.answer = answer(200, project);
      await harness.connectionReason(namespace, 'Ready');
      await harness.reason(namespace, 'Resolved', 'Resolved');
      expect(plane.requests.length).to.be.at.most(asked + 2);
      expect(manager.log()).to.not.include('token-canary-1');
    });
  }

  // It was asked when the tests began: an answer may take 15 s.
  it('says ControlPlaneUnavailable when nothing answers, and heals', async () => {
    const ready = await harness.connectionReason(ignored, 'ControlPlaneUnavailable');
    expect(ready.message).to.include('no answer in time');
    await harness.reason(ignored, 'Ready', 'ConnectionNotReady');
    silent.answer = answer(200, project);
    await harness.connectionReason(ignored, 'Ready');
    await harness.reason(ignored, 'Resolved', 'Resolved');
  });

  it('asks once for many tunnels, and not again for labels', async () => {
    const namespace = await world();
    await Promise.all([1, 2, 3, 4].map((n) => harness.tunnelOf(namespace, {}, `web-${n}`)));
    await harness.reason(namespace, 'Resolved', 'Resolved', 'web-4');
    await harness.server.kubectl(['-n', namespace, 'label', 'rstreamconnection', 'default', 'a=b']);
    await harness.server.kubectl(['-n', namespace, 'label', 'secret', 'credentials', 'a=b']);
    await harness.reason(namespace, 'Ready', 'WaitingForDeployment', 'web-1');
    expect(plane.requests).to.have.length(1);
  });

  it('goes on with the last good engine when a restarted manager gets no answer', async () => {
    const namespace = await world();
    const tunnel = await harness.reason(namespace, 'Ready', 'WaitingForDeployment');
    const name = childrenOf(tunnel).config;
    const before = await harness.client.get(configMaps, { namespace, name });

    plane.answer = answer(500, '');
    await manager.stop('SIGKILL');
    manager = await harness.manager(ASKING_FLAGS);
    await harness.connectionReason(namespace, 'ResolutionStale');
    expect((await harness.reason(namespace, 'Resolved', 'Resolved')).status?.target).to.not.equal(undefined);
    const after = await harness.client.get(configMaps, { namespace, name });
    expect(after?.metadata.resourceVersion).to.equal(before?.metadata.resourceVersion);

    await harness.secret(namespace, { token: 'new-token' });
    await harness.connectionReason(namespace, 'ControlPlaneUnavailable');
    plane.answer = answer(200, project);
    await harness.connectionReason(namespace, 'Ready');
  });

  it('is not told a last good engine by a forged status', async () => {
    plane.answer = answer(500, '');
    const namespace = await world();
    await harness.connectionReason(namespace, 'ControlPlaneUnavailable');
    await manager.stop('SIGKILL');
    const condition = {
      type: 'Ready',
      status: 'True',
      reason: 'Ready',
      message: 'forged',
      lastTransitionTime: '2026-01-01T00:00:00Z',
      observedGeneration: 1,
    };
    const status = { engine: 'evil.example.com:443', conditions: [condition] };
    await harness.server.kubectl([
      ...['-n', namespace, 'patch', 'rstreamconnection', 'default', '--subresource=status', '--type=merge'],
      ...['-p', JSON.stringify({ status })],
    ]);
    manager = await harness.manager(ASKING_FLAGS);
    await harness.connectionReason(namespace, 'ControlPlaneUnavailable');
    const maps = await harness.client.list(configMaps, { namespace });
    expect(JSON.stringify(maps.items)).to.not.include('evil');
  });

  it('stops agents when the policy refuses the control plane, and starts them again', async () => {
    const namespace = await world();
    const tunnel = await harness.reason(namespace, 'Ready', 'WaitingForDeployment');
    const { base } = childrenOf(tunnel);
    const deployment = async () => await harness.client.get(deployments, { namespace, name: base });
    await harness.connection(namespace, {
      projectEndpoint: 'ab12cd34',
      apiURL: `http://10.255.0.1:${plane.port}`,
    });
    await harness.connectionReason(namespace, 'PolicyDenied');
    await eventually('the Deployment is gone', async () => (await deployment()) === undefined);
    await harness.connection(namespace, { projectEndpoint: 'ab12cd34', apiURL: plane.url });
    await eventually('the Deployment is back', async () => (await deployment()) !== undefined);
  });
});
