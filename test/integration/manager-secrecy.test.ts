// Of Secret values the manager tells nothing, anywhere, whatever goes wrong: a canary in every field that names a Secret is
// looked for in everything that can be read of it.

import { expect } from 'chai';
import type { KubeObject } from '../../src/kube/object.ts';
import { secrets } from '../../src/kube/well-known.ts';
import type { ApiProxy } from '../support/api-proxy.ts';
import type { ManagerHarness } from '../support/manager-harness.ts';
import { type ObservedManager, observeManager } from '../support/observed-manager.ts';
import { connectionResource, type Loose } from '../support/rstream-resources.ts';
import type { ScriptedControlPlane } from '../support/scripted-control-plane.ts';

const fields = ['token', 'header-a', 'header-b', 'username', 'password', 'tls-ca', 'cert', 'key', 'mtls-ca'];
const canaryOf = (field: string) => `canary-${field}-4f1d`;
const ref = (key: string) => ({ name: 'credentials', key });

describe('the manager and Secret values', function () {
  this.timeout(480_000);
  let observed: ObservedManager;
  let harness: ManagerHarness;
  let proxy: ApiProxy;
  let plane: ScriptedControlPlane;
  let namespace: string;

  observeManager([], (parts) => {
    ({ observed, harness, proxy, plane, namespace } = parts);
  });

  async function everything(): Promise<string> {
    const kinds = [
      ...['configmaps', 'serviceaccounts', 'deployments', 'replicasets', 'roles', 'rolebindings'],
      ...['poddisruptionbudgets', 'events.events.k8s.io', 'rstreamtunnels', 'rstreamconnections'],
    ];
    const args = ['-n', namespace, 'get', kinds.join(), '-o', 'json', '--show-managed-fields'];
    return [
      await harness.server.kubectl(args),
      await observed.local.registry.metrics(),
      ...observed.local.lines,
    ].join('\n');
  }

  async function findsNone(): Promise<void> {
    const text = await everything();
    expect(text).to.include('RstreamTunnel').and.to.include('controller_runtime').and.to.include('"logger"');
    for (const canary of fields.map(canaryOf)) {
      const base64 = Buffer.from(canary).toString('base64').replace(/.?=*$/, '');
      for (const form of [canary, base64, encodeURIComponent(canary)]) expect(text).to.not.include(form);
    }
  }

  const secret = async (more: Record<string, string> = {}) => {
    const values = Object.fromEntries(fields.map((field) => [field, canaryOf(field)]));
    await harness.secret(namespace, { ...values, ...more });
  };

  it('tells nothing while all is well, and the control plane alone gets token and headers', async () => {
    await Promise.all([secret(), harness.service(namespace)]);
    await harness.connection(namespace, {
      ...{ projectEndpoint: 'ab12cd34', apiURL: plane.url, tokenSecretRef: ref('token') },
      controlPlaneHeaders: [
        { name: 'X-A', valueSecretRef: ref('header-a') },
        { name: 'X-B', valueSecretRef: ref('header-b') },
      ],
      tls: { caSecretRef: ref('tls-ca') },
    });
    await harness.tunnelOf(namespace);
    await harness.reason(namespace, 'Ready', 'WaitingForDeployment');
    const { authorization, ...headers } = plane.requests.at(-1)?.headers ?? {};
    expect(authorization).to.equal(`Bearer ${canaryOf('token')}`);
    expect(headers).to.include({ 'x-a': canaryOf('header-a'), 'x-b': canaryOf('header-b') });
    for (const field of ['username', 'password', 'tls-ca'])
      expect(JSON.stringify(headers)).to.not.include(field);
    await findsNone();
  });

  it('tells nothing of client certificates', async () => {
    await Promise.all([secret(), harness.service(namespace)]);
    const mtls = { certSecretRef: ref('cert'), keySecretRef: ref('key'), caSecretRef: ref('mtls-ca') };
    const spec = { engine: 'p1.edge.example.com', mtls };
    const connection: Loose = { metadata: { namespace, name: 'default' }, spec };
    await harness.put<KubeObject>(connectionResource, connection);
    await harness.tunnelOf(namespace);
    await harness.reason(namespace, 'Ready', 'WaitingForDeployment');
    await findsNone();
  });

  it('tells nothing of the credentials of a proxy', async () => {
    await Promise.all([secret(), harness.service(namespace)]);
    const proxyRefs = { usernameSecretRef: ref('username'), passwordSecretRef: ref('password') };
    await harness.connection(namespace, {
      transport: { proxy: { http: 'http://proxy.example:3128', ...proxyRefs } },
    });
    await harness.tunnelOf(namespace);
    await harness.reason(namespace, 'Ready', 'WaitingForDeployment');
    await findsNone();
  });

  it('tells nothing when a control plane echoes them, or no header can carry them', async () => {
    await Promise.all([secret(), harness.service(namespace)]);
    await harness.connection(namespace, {
      ...{ projectEndpoint: 'ab12cd34', apiURL: plane.url, tokenSecretRef: ref('token') },
      controlPlaneHeaders: [{ name: 'X-A', valueSecretRef: ref('header-a') }],
    });
    await harness.tunnelOf(namespace);
    await harness.connectionReason(namespace, 'Ready');
    for (const [status, reason] of [
      [401, 'Unauthorized'],
      [500, 'ControlPlaneUnavailable'],
      [200, 'ControlPlaneUnavailable'],
      [302, 'ControlPlaneUnavailable'],
    ] as const) {
      plane.answer = (response) => {
        const echo = JSON.stringify(plane.requests.at(-1)?.headers);
        response.writeHead(status, canaryOf('token'), {
          location: `http://x/${canaryOf('token')}`,
          'x-echo': echo,
        });
        response.end(echo);
      };
      await secret({ token: `${canaryOf('token')}${status}` });
      await harness.connectionReason(namespace, reason);
    }
    await secret({ 'header-a': `${canaryOf('header-a')}\r\nx-evil: 1` });
    await harness.connectionReason(namespace, 'InvalidSpec');
    await secret({ token: `${canaryOf('token')}\u{1F600}` });
    await harness.connectionReason(namespace, 'InvalidSpec');
    expect(plane.requests.some(({ headers }) => 'x-evil' in headers)).to.equal(false);
    await findsNone();
  });

  it('knows metadata only, and asks for the values it needs by name', async () => {
    await Promise.all([secret(), harness.service(namespace)]);
    await harness.connection(namespace);
    await harness.tunnelOf(namespace);
    await harness.reason(namespace, 'Ready', 'WaitingForDeployment');
    const metadata = { namespace, name: 'unrelated' };
    const unrelated: Loose = { metadata, stringData: { key: 'x' } };
    await harness.put(secrets, unrelated);
    const paths = proxy.requests.filter(({ path }) => /\/secrets(\/|\?|$)/.test(path));
    const collections = paths.filter(({ path }) => /\/secrets(\?|$)/.test(path));
    expect(collections.length).to.be.greaterThan(1);
    for (const { accept } of collections) expect(accept).to.match(/as=PartialObjectMetadata(List)?;/);
    const named = paths.filter((request) => !collections.includes(request));
    expect(new Set(named.map(({ path }) => path.split('/').at(-1)))).to.deep.equal(new Set(['credentials']));
  });
});
