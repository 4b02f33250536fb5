// The demo as a test: real Pods under enforced Pod Security, a page and bulk data through a published name, no leaked secret.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { DEFAULT_IMAGE } from '../../charts-ts/image.ts';
import { API_GROUP_VERSION } from '../../src/api/group.ts';
import { nodePaths } from '../cluster/settings.ts';
import { sampleManifests } from '../demo/install.ts';
import { engine, operator, sample } from '../demo/names.ts';
import { eventually } from '../support/eventually.ts';
import { type DemoCluster, demoCluster, demoEnvironment, nodeName } from './demo-cluster.ts';
import { type MakeResult, make } from './make.ts';
import { Reader } from './reader.ts';
import { tracesOf } from './traces.ts';
import { testBody, visit, webSocketEcho } from './visitor.ts';

const megabytes = 100;

describe('make demo', function () {
  this.timeout(600_000);
  let first: MakeResult;
  let cluster: DemoCluster;
  before(async () => {
    first = await make('demo', { environment: demoEnvironment });
    expect(first.code, first.text).to.equal(0);
    cluster = demoCluster(first.text);
  });
  after(async () => {
    await make('demo-down', { environment: demoEnvironment });
  });
  const inSample = (...args: string[]) => cluster.kubectl.run(['-n', sample.namespace, ...args]);

  it('says what it does, and how long each step took', () => {
    const steps = [
      'building Kubernetes from Go modules',
      'building the operator image',
      'starting a Kubernetes node',
      'starting the local engine',
      'installing the operator from dist/',
      'applying samples/http-server.yaml',
      'waiting for the tunnel to be Ready',
    ];
    for (const step of steps) {
      expect(first.text).to.match(new RegExp(`^\\[ *[\\d.]+ s\\] ${step} …$`, 'm'));
      expect(first.text).to.match(new RegExp(`^\\[ *[\\d.]+ s\\] ${step}: done in [\\d.]+ s$`, 'm'));
    }
  });

  it('shows a Ready connection, a Ready tunnel, and the page fetched through it', () => {
    expect(first.text).to.match(/rstreamconnection\S*\/default\s+engine\.rstream-engine\.svc:443\s+True/);
    expect(first.text).to.match(/rstreamtunnel\S*\/web\s+True\s+http\s+http-server\.rstream-demo\.svc:80/);
    expect(first.text).to.include(`https://${cluster.hostname}`);
    expect(first.text.slice(first.text.indexOf(cluster.curl))).to.include('Hello through an rstream tunnel');
    expect(first.text).to.not.include(sample.token);
  });

  it('shows a curl command that works for anybody', async () => {
    const { stdout } = await promisify(execFile)('bash', ['-c', cluster.curl]);
    expect(stdout).to.include('Hello through an rstream tunnel');
  });

  it('ends with what makes kubectl work for anybody', async () => {
    const [, line = ''] = /^To look around yourself: (.*)$/m.exec(first.text) ?? [];
    const { stdout } = await promisify(execFile)('bash', ['-c', `${line}; kubectl get rstreamtunnels -A`]);
    expect(stdout).to.match(new RegExp(`${sample.namespace} +${sample.tunnel} +True`));
  });

  it('takes less than a minute the second time', async () => {
    const took: number[] = [];
    // Other tests run beside this one, on few processors: one of three runs may be free of what they do.
    while (took.length < 3 && !took.some((seconds) => seconds < 60)) {
      const again = await make('demo', { environment: demoEnvironment });
      expect(again.code, again.text).to.equal(0);
      expect(again.text).to.not.include('building etcd');
      took.push(again.seconds);
    }
    expect(Math.min(...took)).to.be.lessThan(60);
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

  it('shows why an agent refuses to start, in the words it left behind', async () => {
    const { spec } = JSON.parse(await inSample('get', 'rstreamconnection', 'default', '-o', 'json'));
    const key = (key: string) => ({ name: 'refusing', key });
    const proxy = {
      http: 'http://proxy.example.com:3128',
      usernameSecretRef: key('user'),
      passwordSecretRef: key('password'),
    };
    const service = { name: 'http-server', port: 80 };
    const made = [
      { apiVersion: 'v1', kind: 'Secret', stringData: { user: 'with:colon', password: 'of-the-proxy' } },
      { kind: 'RstreamConnection', spec: { ...spec, transport: { proxy } } },
      { kind: 'RstreamTunnel', spec: { connectionRef: { name: 'refusing' }, target: { service } } },
    ].map((object) => ({ apiVersion: API_GROUP_VERSION, metadata: { name: 'refusing' }, ...object }));
    await cluster.kubectl.run(
      ['-n', sample.namespace, 'apply', '-f', '-'],
      JSON.stringify({ apiVersion: 'v1', kind: 'List', items: made }),
    );
    const condition = '{.status.conditions[?(@.type=="AgentReady")]';
    const failed = `--for=jsonpath=${condition}.reason}=DeploymentFailed`;
    await inSample('wait', failed, '--timeout=120s', 'rstreamtunnel/refusing');
    const message = await inSample(
      'get',
      'rstreamtunnel',
      'refusing',
      '-o',
      `jsonpath=${condition}.message}`,
    );
    expect(message).to.match(
      /^the agent keeps crashing \(Error\): .*a proxy user name cannot contain a colon/,
    );

    const name = await inSample('get', 'rstreamtunnel/refusing', '-o', 'jsonpath={.status.agentDeployment}');
    await inSample('delete', 'rstreamtunnel/refusing', 'rstreamconnection/refusing', 'secret/refusing');
    await inSample('wait', '--for=delete', `deployment/${name}`, '--timeout=60s');
    // Its Pod outlives it for a moment, and one that is going has no log to show.
    await inSample(
      'wait',
      '--for=delete',
      'pod',
      '--selector=rstream.io/tunnel-name=refusing',
      '--timeout=60s',
    );
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

  it('leads readers of the README from an empty cluster to their page, and back', async () => {
    const reader = new Reader(
      cluster,
      await sampleManifests(cluster.kubectl, DEFAULT_IMAGE, cluster.certificate),
    );
    try {
      const commands = reader.commands();
      await reader.follow(commands.slice(-2));
      expect(await reader.leftovers()).to.deep.equal([]);

      await reader.follow(commands.slice(0, -2));
      // A Service finds its Pod a moment after the Pod is ready.
      await eventually(
        'the page is there',
        async () => {
          const { start } = await visit(cluster, '/');
          if (!start.includes('Hello through an rstream tunnel')) throw new Error(start);
          return true;
        },
        { timeoutMs: 60_000, everyMs: 200 },
      );
      await reader.follow(commands.slice(-2));
      expect(await reader.leftovers()).to.deep.equal([]);
    } finally {
      reader.close();
    }
  });

  it('uses a cluster that was named, and takes everything out of it again', async () => {
    const environment = {
      KUBECONFIG: nodePaths(nodeName).kubeconfig,
      KUBE_CONTEXT: nodeName,
      IMAGE: DEFAULT_IMAGE,
    };
    const up = await make('demo', { environment });
    expect(up.code, up.text).to.equal(0);
    expect(up.text).to.include(`This uses your cluster "${nodeName}" (https://127.0.0.1:`);
    expect(up.text).to.include('Hello through an rstream tunnel');

    const down = await make('demo-down', { environment });
    expect(down.code, down.text).to.equal(0);
    const namespaces = await cluster.kubectl.run(['get', 'namespaces', '-o', 'name']);
    expect(namespaces).to.not.include('rstream');
    expect(await cluster.kubectl.run(['get', 'crd', '-o', 'name'])).to.not.include('rstream');
  });

  it('is removed without a trace by make demo-down, which may be said twice', async () => {
    expect(tracesOf(nodeName)).to.not.deep.equal([]);
    const down = await make('demo-down', { environment: demoEnvironment });

    expect(down.code, down.text).to.equal(0);
    expect(tracesOf(nodeName)).to.deep.equal([]);
    expect((await make('demo-down', { environment: demoEnvironment })).code).to.equal(0);
  });

  it('leaves no trace after Ctrl-C', async () => {
    const environment = demoEnvironment;
    const { code, text } = await make('demo', { environment, interruptAt: 'the API server answers' });

    expect(code).to.not.equal(0);
    expect(text).to.include('interrupted; removing the demo');
    expect(tracesOf(nodeName)).to.deep.equal([]);
  });
});
