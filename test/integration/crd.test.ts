import { expect } from 'chai';

import { API_GROUP_VERSION } from '../../src/api/group.ts';
import { apiRequest } from '../support/api-request.ts';
import { installCrds } from '../support/crds.ts';
import type { KubeApiserver } from '../support/kube-apiserver.ts';
import { sharedKubeApiserver } from '../support/shared-apiserver.ts';

const spec = { target: { service: { name: 'web', port: 'http' } } };
const transitions = { lastTransitionTime: '2026-01-01T00:00:00Z' };

describe('CustomResourceDefinitions', () => {
  let server: KubeApiserver;
  let namespace: string;

  before(async function start() {
    this.timeout(120_000);
    server = await sharedKubeApiserver();
    await installCrds(server);
    namespace = await server.createNamespace('crd');
  });

  const create = async (kind: string, name: string, fields: object): Promise<unknown> => {
    const manifest = { apiVersion: API_GROUP_VERSION, kind, metadata: { name, namespace }, spec: fields };
    return JSON.parse(await server.kubectl(['apply', '-o', 'json', '-f', '-'], JSON.stringify(manifest)));
  };

  const writeStatus = async (plural: string, name: string, status: object): Promise<void> => {
    const kind = plural === 'rstreamtunnels' ? 'RstreamTunnel' : 'RstreamConnection';
    const path = `/apis/${API_GROUP_VERSION}/namespaces/${namespace}/${plural}/${name}`;
    const live = (await apiRequest(server, 'GET', path)).body as object;
    const answer = await apiRequest(server, 'PUT', `${path}/status`, { ...live, kind, status });
    expect(answer.status, JSON.stringify(answer.body)).to.equal(200);
  };

  const columns = (table: string): readonly (readonly string[])[] =>
    table
      .trim()
      .split('\n')
      .map((line) => line.split(/ {2,}/));

  it('are accepted as structural, with nothing pruned from the schema', async () => {
    for (const name of ['rstreamtunnels', 'rstreamconnections']) {
      const crd = JSON.parse(
        await server.kubectl(['get', 'crd', `${name}.tunnels.rstream.io`, '-o', 'json']),
      );
      const conditions: { type: string; status: string }[] = crd.status.conditions;

      expect(conditions.filter(({ type }) => type === 'NonStructuralSchema')).to.deep.equal([]);
      expect(conditions.find(({ type }) => type === 'NamesAccepted')?.status).to.equal('True');
    }
  });

  it('serve short names and the category', async () => {
    const names = await server.kubectl(['api-resources', '--api-group=tunnels.rstream.io', '--no-headers']);
    expect(names)
      .to.match(/rstreamconnections +rconn +/)
      .and.to.match(/rstreamtunnels +tunnel,rtun,rtunnel +/);

    await create('RstreamTunnel', 'in-category', spec);
    expect(await server.kubectl(['get', 'rstream', '-n', namespace, '-o', 'name'])).to.contain('in-category');
  });

  it('fill in defaults of a tunnel, and leave empty blocks empty', async () => {
    const tunnel = await create('RstreamTunnel', 'defaults', {
      ...spec,
      http: {},
      connectionRef: {},
      agent: {},
    });

    expect(tunnel)
      .to.have.property('spec')
      .that.deep.equals({
        ...spec,
        publish: true,
        protocol: 'http',
        http: {},
        connectionRef: {},
        agent: { replicas: 1, terminationGracePeriodSeconds: 30 },
      });
  });

  it('fill in defaults of a connection, and leave empty blocks empty', async () => {
    const token = { tokenSecretRef: { name: 'credentials', key: 'token' } };
    const fields = { projectEndpoint: 'demo', ...token, transport: { bind: {} } };
    const connection = await create('RstreamConnection', 'defaults', fields);

    expect(connection)
      .to.have.property('spec')
      .that.deep.equals({
        ...fields,
        apiURL: 'https://rstream.io',
        transport: { bind: {}, ipFamily: 'auto' },
      });
  });

  it('explain spec.target', async () => {
    const text = await server.kubectl(['explain', 'rstreamtunnel.spec.target']);

    expect(text).to.contain('KIND:       RstreamTunnel');
    expect(text).to.contain('Where the traffic of the tunnel goes: one port of one Service.');
    expect(text).to.match(/service\t<Object> -required-\n +The Service to publish\./);

    const port = await server.kubectl(['explain', 'rstreamtunnel.spec.target.service.port']);
    expect(port.replace(/\s+/g, ' ')).to.contain("a number from 1 to 65535, or the port's name");
  });

  it('print the columns of a tunnel', async () => {
    await create('RstreamTunnel', 'columns', spec);
    await writeStatus('rstreamtunnels', 'columns', {
      target: 'web.shop.svc:80',
      forwardingAddress: 'https://web.example.test',
      agentPod: 'pod-1',
      conditions: [
        { type: 'Ready', status: 'False', reason: 'Suspended', message: 'it is suspended', ...transitions },
      ],
    });
    const get = async (...more: readonly string[]): Promise<readonly (readonly string[])[]> =>
      columns(await server.kubectl(['get', 'rtun', 'columns', '-n', namespace, ...more]));

    const [header, row = []] = await get();
    expect(header).to.deep.equal(['NAME', 'READY', 'PROTOCOL', 'TARGET', 'ADDRESS', 'AGE']);
    expect(row.slice(0, 5)).to.deep.equal([
      'columns',
      'False',
      'http',
      'web.shop.svc:80',
      'https://web.example.test',
    ]);

    const [wideHeader, wideRow = []] = await get('-o', 'wide');
    expect(wideHeader?.slice(5)).to.deep.equal(['AGE', 'REASON', 'MESSAGE', 'POD']);
    expect(wideRow.slice(6)).to.deep.equal(['Suspended', 'it is suspended', 'pod-1']);
  });

  it('print the columns of a connection', async () => {
    const token = { tokenSecretRef: { name: 'credentials', key: 'token' } };
    await create('RstreamConnection', 'columns', { projectEndpoint: 'demo', ...token });
    await writeStatus('rstreamconnections', 'columns', {
      projectEndpoint: 'demo',
      engine: 'engine.test:443',
      region: 'auto',
      conditions: [
        { type: 'Ready', status: 'True', reason: 'Ready', message: 'it is resolved', ...transitions },
      ],
    });
    const table = await server.kubectl(['get', 'rconn', 'columns', '-n', namespace, '-o', 'wide']);
    const [header, row = []] = columns(table);

    expect(header).to.deep.equal([
      'NAME',
      'PROJECT',
      'ENGINE',
      'READY',
      'AGE',
      'REASON',
      'MESSAGE',
      'REGION',
    ]);
    expect(row.slice(0, 4)).to.deep.equal(['columns', 'demo', 'engine.test:443', 'True']);
    expect(row.slice(5)).to.deep.equal(['Ready', 'it is resolved', 'auto']);
  });

  it('need a spec', async () => {
    for (const [kind, plural] of [
      ['RstreamTunnel', 'rstreamtunnels'],
      ['RstreamConnection', 'rstreamconnections'],
    ] as const) {
      const path = `/apis/${API_GROUP_VERSION}/namespaces/${namespace}/${plural}?dryRun=All`;
      const object = { apiVersion: API_GROUP_VERSION, kind, metadata: { name: 'empty' } };
      const { status, body } = await apiRequest(server, 'POST', path, object);
      expect([status, JSON.stringify(body).includes('spec: Required value')], kind).to.deep.equal([
        422,
        true,
      ]);
    }
  });

  it('keep spec and status apart', async () => {
    const path = `/apis/${API_GROUP_VERSION}/namespaces/${namespace}/rstreamtunnels`;
    const manifest = {
      apiVersion: API_GROUP_VERSION,
      kind: 'RstreamTunnel',
      metadata: { name: 'apart' },
      spec,
    };
    const { body } = await apiRequest(server, 'POST', path, { ...manifest, status: { tunnelID: 'forged' } });

    expect(body).to.have.property('status').that.deep.equals({ observedGeneration: -1 });
  });
});
