import { expect } from 'chai';
import { systemClock } from '../../src/common/clock.ts';
import { KubeClient } from '../../src/kube/client.ts';
import type { Credentials, TlsMaterial } from '../../src/kube/credentials.ts';
import { configMaps } from '../../src/kube/well-known.ts';
import { testAuthority } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { json, object, watch } from '../support/scripted-answers.ts';
import { ScriptedApiserver, type ScriptedApiserverOptions } from '../support/scripted-apiserver.ts';

describe('connections to the API server', () => {
  const ref = { namespace: 'default', name: 'a' };
  const opened: { close(): void }[] = [];
  const servers: ScriptedApiserver[] = [];

  const serve = async (options: ScriptedApiserverOptions) => {
    const server = await ScriptedApiserver.start(options);
    servers.push(server);
    return server.otherwise('get', json(200, object('a', 1)));
  };
  const connect = (credentials: Credentials) => {
    const client = new KubeClient({ credentials, clock: systemClock });
    opened.push(client);
    return client;
  };
  const codeOf = async (work: Promise<unknown>) =>
    await work.then(
      () => 'answered',
      (error: { code: string }) => error.code,
    );

  afterEach(async () => {
    for (const client of opened.splice(0)) client.close();
    for (const server of servers.splice(0)) await server.stop();
  });

  it('verify the server with the CA given, and with nothing else', async () => {
    const server = await serve({ tls: true });
    const stranger = { ...server.credentials, tls: async () => ({}) };
    const other = {
      ...server.credentials,
      tls: async () => ({ serverName: 'elsewhere.example.com', ...(await server.credentials.tls()) }),
    };
    const careless = { ...server.credentials, tls: async () => ({ insecureSkipVerify: true }) };

    expect(await codeOf(connect(server.credentials).get(configMaps, ref))).to.equal('answered');
    expect(await codeOf(connect(stranger).get(configMaps, ref))).to.equal('ERR_KUBE_CONNECTION');
    expect(await codeOf(connect(other).get(configMaps, ref))).to.equal('ERR_KUBE_CONNECTION');
    expect(await codeOf(connect(careless).get(configMaps, ref))).to.equal('answered');
  });

  it('work over IPv6', async () => {
    // A machine without IPv6 still has the addresses that stand for those of IPv4.
    const server = await serve({ tls: true, host: '::1' }).catch(() => serve({ host: '::ffff:127.0.0.1' }));
    expect(await codeOf(connect(server.credentials).get(configMaps, ref))).to.equal('answered');
  });

  it('present a client certificate, and a new one once it has rotated', async () => {
    const server = await serve({ tls: true, clientCertificates: true });
    const authority = await testAuthority();
    let material: TlsMaterial = {
      ...(await server.credentials.tls()),
      ...(await authority.issueClient('manager')),
    };
    const client = connect({ ...server.credentials, tls: async () => material });
    await client.get(configMaps, ref);
    await client.get(configMaps, ref);
    expect(server.connections).to.equal(1);

    material = { ...material, ...(await authority.issueClient('manager')) };
    await client.get(configMaps, ref);
    expect(server.connections).to.equal(2);
    expect(await codeOf(connect(server.credentials).get(configMaps, ref))).to.equal('ERR_KUBE_CONNECTION');
  });

  it('survive an API server that closes idle connections', async () => {
    const server = await serve({});
    const client = connect(server.credentials);
    for (let round = 0; round < 10; round += 1) {
      expect(await codeOf(client.get(configMaps, ref))).to.equal('answered');
      server.cut();
    }
  });

  it('do not run short because of watches', async () => {
    const server = await serve({});
    server.otherwise('watch', watch());
    const client = new KubeClient({ credentials: server.credentials, clock: systemClock, maxConnections: 1 });
    opened.push(client);
    const stop = new AbortController();
    const watching = Array.from({ length: 5 }, async () => {
      const options = { resourceVersion: '1', silenceMs: 60_000, signal: stop.signal };
      for await (const _ of client.watch(configMaps, options));
    });
    await eventually('all watches stand', () => server.seen('watch').length === 5);

    expect(await codeOf(client.get(configMaps, ref))).to.equal('answered');
    stop.abort(new Error('the test is over'));
    for (const { status } of await Promise.allSettled(watching)) expect(status).to.equal('rejected');
  });

  it('have a deadline although the credentials never come', async () => {
    const server = await serve({});
    const never = new Promise<never>(() => {});
    const options = { clock: systemClock, timeoutMs: 100 };
    for (const hanging of [{ authorization: () => never }, { tls: () => never }]) {
      const client = new KubeClient({ ...options, credentials: { ...server.credentials, ...hanging } });
      opened.push(client);
      expect(await codeOf(client.get(configMaps, ref))).to.equal('ERR_KUBE_TIMEOUT');
    }
    expect(server.requests).to.deep.equal([]);
  });

  it('keep a path prefix of the address', async () => {
    const server = await serve({});
    server.otherwise('list', json(200, {}));
    await connect({ ...server.credentials, baseUrl: `${server.url}/k8s/clusters/c-1` }).getPath('/version');
    expect(server.requests[0]?.path).to.equal('/k8s/clusters/c-1/version');
  });
});
