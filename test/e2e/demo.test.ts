// The demo as a test: real Pods under enforced Pod Security, a page and bulk data through a published name, no leaked secret.

import { expect } from 'chai';
import { engine, operator, sample } from '../demo/names.ts';
import { type DemoCluster, startDemoCluster } from './demo-cluster.ts';
import { testBody, visit, webSocketEcho } from './visitor.ts';

const megabytes = 100;

describe('the demo on a real node', function () {
  this.timeout(300_000);
  let cluster: DemoCluster;
  before(async () => {
    cluster = await startDemoCluster();
  });
  after(async () => {
    await cluster?.stop();
  });
  const inSample = (...args: string[]) => cluster.kubectl.run(['-n', sample.namespace, ...args]);

  it('shows a Ready connection and a Ready tunnel with its address', async () => {
    const table = await inSample('get', 'rstreamconnection,rstreamtunnel', '-o', 'wide');

    expect(table).to.match(/rstreamconnection\S*\/default\s+engine\.rstream-engine\.svc:443\s+True/);
    expect(table).to.match(/rstreamtunnel\S*\/web\s+True\s+http\s+http-server\.rstream-demo\.svc:80/);
    expect(table).to.include(`https://${cluster.hostname}`);
  });

  it('describes the tunnel with every condition and its events', async () => {
    const text = await inSample('describe', 'rstreamtunnel', sample.tunnel);

    for (const word of [
      'Accepted',
      'Resolved',
      'AgentReady',
      'TunnelReady',
      'TunnelOnline',
      'DeploymentAvailable',
    ]) {
      expect(text).to.include(word);
    }
  });

  it('runs the agent, the engine and the manager in namespaces that enforce Pod Security restricted', async () => {
    for (const namespace of [sample.namespace, engine.namespace, operator.namespace]) {
      const label = 'jsonpath={.metadata.labels.pod-security\\.kubernetes\\.io/enforce}';
      expect(await cluster.kubectl.run(['get', 'namespace', namespace, '-o', label]), namespace).to.equal(
        'restricted',
      );
    }
    const refusal = await inSample('run', 'loose', `--image=${engine.name}`).catch(String);
    expect(refusal).to.include('violates PodSecurity "restricted');
  });

  it('answers a page by hostname over TLS', async () => {
    const answer = await visit(cluster, '/');

    expect(answer.status).to.equal(200);
    expect(answer.start).to.include('Hello through an rstream tunnel');
  });

  it('echoes WebSocket messages through the tunnel', async () => {
    const messages = ['one', 'zwei', 'x'.repeat(60_000)];

    expect(await webSocketEcho(cluster, messages)).to.deep.equal(messages);
  });

  it(`carries ${megabytes} MiB up and down, byte-exact`, async () => {
    const body = testBody(megabytes);

    const answer = await visit(cluster, '/echo', body.pieces());

    expect(answer).to.include({ status: 200, length: megabytes * 2 ** 20, digest: body.digest });
  });

  it('puts no secret value into a ConfigMap, status, event or log', async () => {
    const everywhere = [
      await cluster.kubectl.run(['get', 'configmaps,events,pods,deployments', '-A', '-o', 'yaml']),
      await cluster.kubectl.run(['get', 'rstreamtunnels,rstreamconnections', '-A', '-o', 'yaml']),
      await cluster.kubectl.run([
        '-n',
        operator.namespace,
        'logs',
        `deployment/${operator.deployment}`,
        '--tail=-1',
      ]),
      await cluster.kubectl.run(['-n', engine.namespace, 'logs', `deployment/${engine.name}`, '--tail=-1']),
      await inSample('logs', '--selector=app.kubernetes.io/component=agent', '--tail=-1'),
    ].join('\n');

    const secret = await inSample('get', 'secret', sample.secret, '-o', 'jsonpath={.data.token}');
    const token = Buffer.from(secret, 'base64').toString();
    expect(token).to.equal(sample.token);
    expect(everywhere).to.include(cluster.hostname);
    expect(everywhere).to.not.include(token);
    expect(everywhere).to.not.include(secret);
  });

  it('serves again by itself after the agent’s Pod was killed', async () => {
    await inSample(
      'delete',
      'pods',
      '--selector=app.kubernetes.io/component=agent',
      '--grace-period=0',
      '--force',
    );
    await inSample(
      'rollout',
      'status',
      'deployment',
      '--selector=app.kubernetes.io/component=agent',
      '--timeout=120s',
    );
    await inSample('wait', '--for=condition=Ready', '--timeout=120s', `rstreamtunnel/${sample.tunnel}`);

    const answer = await visit(cluster, '/');
    expect(answer.status).to.equal(200);
  });

  it('leaves nothing of the tunnel after it is deleted', async () => {
    await inSample('delete', 'rstreamtunnel', sample.tunnel, '--timeout=60s');
    await inSample(
      'wait',
      '--for=delete',
      'deployment,pods',
      '--selector=app.kubernetes.io/part-of=rstream',
      '--timeout=90s',
    );

    const kinds = 'deployments,pods,configmaps,serviceaccounts,roles,rolebindings';
    const left = await inSample('get', kinds, '--selector=app.kubernetes.io/part-of=rstream', '-o', 'name');
    expect(left.trim()).to.equal('');
  });
});
