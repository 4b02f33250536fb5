// What the manager tells the world besides the status: Events once per change, and metrics under known names with bounded
// labels.

import { expect } from 'chai';
import { events } from '../../src/kube/events.ts';
import type { KubeObject } from '../../src/kube/object.ts';
import { pods, secrets } from '../../src/kube/well-known.ts';
import type { ApiProxy } from '../support/api-proxy.ts';
import { eventually } from '../support/eventually.ts';
import type { ManagerHarness } from '../support/manager-harness.ts';
import { type ObservedManager, observeManager } from '../support/observed-manager.ts';
import { childrenOf, type Loose, tunnelResource } from '../support/rstream-resources.ts';
import { answer, project, type ScriptedControlPlane } from '../support/scripted-control-plane.ts';

const policy = ['--allowed-agent-images=registry.example/*', '--cross-namespace-targets=deny'];
const patience = { timeoutMs: 60_000, everyMs: 50 };

describe('what the manager tells', function () {
  this.timeout(480_000);
  let observed: ObservedManager;
  let harness: ManagerHarness;
  let proxy: ApiProxy;
  let plane: ScriptedControlPlane;
  let namespace: string;

  observeManager(policy, (parts) => {
    ({ observed, harness, proxy, plane, namespace } = parts);
  });

  /** `Kind name reason` of every Event in the namespace, with how often it was seen. */
  async function told(): Promise<readonly string[]> {
    const { items } = await harness.client.list(events, { namespace });
    return items.map(({ regarding, type, reason, series }) =>
      [regarding?.kind?.replace('Rstream', ''), regarding?.name, type, reason, series?.count]
        .filter(Boolean)
        .join(' '),
    );
  }

  async function agentReports(type: string, status: string, reason: string, message = 'x'): Promise<void> {
    const condition = { type, status, reason, message, lastTransitionTime: '2026-01-01T00:00:00Z' };
    const object: Loose = { metadata: { namespace, name: 'web' }, status: { conditions: [condition] } };
    await harness.client.applyStatus(tunnelResource, object, { fieldManager: 'rstream-agent' });
    await eventually(
      `an Event tells ${reason}`,
      async () => (await told()).some((line) => line.endsWith(` ${reason}`)),
      patience,
    );
  }

  /** A Pod that is ready, or the tunnel would be taken for abandoned after ten seconds. */
  async function agentPod(base: string, uid: string): Promise<void> {
    const metadata = { namespace, name: base, labels: { 'rstream.io/tunnel-uid': uid } };
    const pod: Loose = {
      metadata,
      spec: { serviceAccountName: base, containers: [{ name: 'agent', image: 'agent:test' }] },
    };
    await harness.put<KubeObject>(pods, pod);
    const ready = { type: 'Ready', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' };
    const status = { phase: 'Running', conditions: [ready] };
    const options = { fieldManager: 'kubelet', subresource: 'status' };
    await harness.client.mergePatch(pods, { namespace, name: base }, { status }, options);
  }

  it('tells every change of a tunnel once, and nothing again after a restart', async () => {
    await harness.tunnelOf(namespace, { agent: { image: 'evil.example/agent' } });
    await harness.reason(namespace, 'Ready', 'InvalidSpec');
    const { metadata } = await harness.tunnelOf(namespace);
    await harness.reason(namespace, 'Ready', 'ConnectionMissing');
    plane.answer = answer(401, '');
    await harness.connection(namespace, { projectEndpoint: 'ab12cd34', apiURL: plane.url });
    await harness.reason(namespace, 'Ready', 'SecretMissing');
    await harness.secret(namespace);
    await harness.reason(namespace, 'Ready', 'ConnectionNotReady');
    await harness.connection(namespace);
    await harness.reason(namespace, 'Ready', 'ServiceMissing');
    await harness.service(namespace, { name: 'other', port: 80 });
    await harness.reason(namespace, 'Ready', 'ServicePortMissing');
    await harness.service(namespace, { name: 'http', port: 80, protocol: 'UDP' });
    await harness.reason(namespace, 'Ready', 'ServicePortMismatch');
    await harness.service(namespace);
    await harness.reason(namespace, 'Resolved', 'Resolved');
    await harness.tunnelOf(namespace, { agent: { nodeSelector: { 'not a label': 'x' } } });
    await harness.reason(namespace, 'AgentReady', 'DeploymentFailed');
    await harness.tunnelOf(namespace);
    await harness.reason(namespace, 'AgentReady', 'DeploymentPending');
    const { base } = childrenOf({ metadata });
    await agentPod(base, metadata.uid ?? '');
    await harness.available(namespace, base);
    await harness.reason(namespace, 'AgentReady', 'DeploymentAvailable');
    await agentReports('TargetReachable', 'False', 'TargetUnreachable');
    await agentReports('TunnelReady', 'True', 'TunnelOnline');
    await agentReports('TunnelReady', 'False', 'TunnelDisconnected');
    await agentReports('TunnelReady', 'False', 'TunnelRejected');
    await harness.tunnelOf(namespace, {
      target: { service: { name: 'app', port: 'http', namespace: 'default' } },
    });
    await harness.reason(namespace, 'Ready', 'RefNotPermitted');
    await harness.tunnelOf(namespace, { tunnelName: 'shared', suspend: true });
    await harness.reason(namespace, 'Ready', 'Suspended');
    await harness.tunnelOf(namespace, { tunnelName: 'shared' }, 'first');
    await harness.reason(namespace, 'Ready', 'WaitingForDeployment', 'first');
    await harness.tunnelOf(namespace, { tunnelName: 'shared' });
    await harness.reason(namespace, 'Resolved', 'Resolved');

    const wanted = [
      'Tunnel web Warning InvalidSpec',
      'Tunnel web Warning ConnectionMissing',
      'Tunnel web Warning SecretMissing',
      'Tunnel web Warning ConnectionNotReady',
      'Tunnel web Warning ServiceMissing',
      'Tunnel web Warning ServicePortMissing',
      'Tunnel web Warning ServicePortMismatch',
      'Tunnel web Normal Resolved',
      'Tunnel web Warning DeploymentFailed',
      'Tunnel web Normal AgentDeployed',
      'Tunnel web Warning TargetUnreachable',
      'Tunnel web Normal TunnelOnline',
      'Tunnel web Warning TunnelDisconnected',
      'Tunnel web Warning TunnelRejected',
      'Tunnel web Warning RefNotPermitted',
      'Tunnel web Normal Suspended',
      'Tunnel web Warning NameShared',
      'Tunnel first Normal Resolved',
      'Connection default Warning SecretMissing',
      'Connection default Warning Unauthorized',
      'Connection default Normal Resolved',
    ];
    await eventually(
      'every Event is there, once',
      async () => {
        const seen = (await told()).filter((line) => !line.includes('Resolved'));
        expect(seen.toSorted()).to.deep.equal(wanted.filter((line) => !line.includes('Resolved')).toSorted());
        return true;
      },
      patience,
    );
    const before = await told();
    expect(before).to.include.members(wanted);

    const writes = proxy.requests.filter(({ method }) => method !== 'GET').length;
    await observed.restart();
    await eventually(
      'it has looked at both tunnels',
      async () => {
        const labels = 'controller="rstreamtunnel",result="success"';
        return (await observed.local.sample('controller_runtime_reconcile_total', labels)) >= 2;
      },
      patience,
    );
    expect(proxy.requests.filter(({ method }) => method !== 'GET').length - writes).to.equal(0);
    expect(await told()).to.deep.equal(before);
  });

  it('tells every change of a connection once, and counts what control planes answered', async () => {
    await Promise.all([harness.secret(namespace), harness.service(namespace)]);
    plane.answer = answer(401, '');
    const asking = { projectEndpoint: 'ab12cd34', apiURL: plane.url };
    await harness.connection(namespace, asking);
    await harness.connectionReason(namespace, 'Unauthorized');
    let token = 0;
    for (const [status, reason] of [
      [403, 'Forbidden'],
      [404, 'ProjectNotFound'],
      [500, 'ControlPlaneUnavailable'],
    ] as const) {
      plane.answer = answer(status, '');
      token += 1;
      await harness.secret(namespace, { token: `token-${token}` });
      await harness.connectionReason(namespace, reason);
    }
    plane.answer = answer(200, project);
    await harness.connection(namespace, { ...asking, region: 'mars-1' });
    await harness.connectionReason(namespace, 'RegionUnavailable');
    await harness.connection(namespace, { ...asking, apiURL: 'https://10.0.0.1' });
    await harness.connectionReason(namespace, 'PolicyDenied');
    await harness.secret(namespace, { token: 'a\nb' });
    await harness.connectionReason(namespace, 'InvalidSpec');
    await harness.client.delete(secrets, { namespace, name: 'credentials' });
    await harness.connectionReason(namespace, 'SecretMissing');
    await harness.secret(namespace);
    await harness.connection(namespace, asking);
    await harness.connectionReason(namespace, 'Ready');

    const reasons = ['Unauthorized', 'Forbidden', 'ProjectNotFound', 'ControlPlaneUnavailable'];
    reasons.push('RegionUnavailable', 'PolicyDenied', 'InvalidSpec', 'SecretMissing');
    const wanted = [
      ...reasons.map((reason) => `Connection default Warning ${reason}`),
      'Connection default Normal Resolved',
    ];
    await eventually(
      'every Event is there, once',
      async () => {
        expect((await told()).toSorted()).to.deep.equal(wanted.toSorted());
        return true;
      },
      patience,
    );
    for (const code of ['200', '401', '403', '404', '500']) {
      expect(
        await observed.local.sample('rstream_control_plane_requests_total', `code="${code}"`),
        code,
      ).to.be.greaterThan(0);
    }
  });

  it('measures under known names, with labels that do not grow', async () => {
    await harness.world(namespace, {}, 'a-tunnel-name');
    await harness.reason(namespace, 'Ready', 'WaitingForDeployment', 'a-tunnel-name');
    const text = await observed.local.registry.metrics();
    for (const sample of [
      /^controller_runtime_reconcile_total\{controller="rstreamtunnel",result="success"\} [1-9]/m,
      /^controller_runtime_reconcile_errors_total\{controller="rstreamtunnel"\} \d/m,
      /^controller_runtime_reconcile_time_seconds_bucket\{le="[^"]+",controller="rstreamconnection"\} \d/m,
      /^controller_runtime_max_concurrent_reconciles\{controller="rstreamtunnel"\} 32$/m,
      /^controller_runtime_active_workers\{controller="rstreamtunnel"\} \d/m,
      /^workqueue_depth\{name="rstreamtunnel",controller="rstreamtunnel"\} \d/m,
      /^workqueue_adds_total\{name="rstreamtunnel",controller="rstreamtunnel"\} [1-9]/m,
      /^workqueue_queue_duration_seconds_count\{name="rstreamtunnel",controller="rstreamtunnel"\} [1-9]/m,
      /^workqueue_work_duration_seconds_count\{name="rstreamtunnel",controller="rstreamtunnel"\} [1-9]/m,
      /^workqueue_retries_total\{name="rstreamtunnel",controller="rstreamtunnel"\} \d/m,
      /^rest_client_requests_total\{method="PATCH",code="20[01]",host="[^"]+"\} [1-9]/m,
      /^reflector_watches_total\{name="rstreamtunnels\.tunnels\.rstream\.io"\} [1-9]/m,
      /^rstream_tunnels\{condition="Ready",status="False"\} [1-9]/m,
      /^rstream_tunnels\{condition="Resolved",status="True"\} [1-9]/m,
      /^rstream_connections\{condition="Ready",status="True"\} [1-9]/m,
      /^rstream_control_plane_requests_total/m,
    ]) {
      expect(text).to.match(sample);
    }
    for (const name of ['a-tunnel-name', namespace, 'credentials', plane.url])
      expect(text).to.not.include(name);

    proxy.cut();
    await eventually(
      'restarts of watches are counted by cause',
      async () => {
        return (await observed.local.sample('reflector_watch_restarts_total', 'reason="broken"')) > 0;
      },
      patience,
    );
  });
});
