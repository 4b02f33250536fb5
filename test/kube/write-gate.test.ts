import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { expect } from 'chai';
import { systemClock } from '../../src/common/clock.ts';
import { KubeClient } from '../../src/kube/client.ts';
import { KubeError } from '../../src/kube/errors.ts';
import { RateLimiter } from '../../src/kube/rate-limiter.ts';
import { configMaps } from '../../src/kube/well-known.ts';
import { eventually } from '../support/eventually.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { json, object, silence } from '../support/scripted-answers.ts';
import { ScriptedApiserver } from '../support/scripted-apiserver.ts';

describe('the write gate', () => {
  let server: ScriptedApiserver;
  let refusal: string | undefined;
  const gate = () => refusal;
  const clients: KubeClient[] = [];
  const a = { namespace: 'default', name: 'a' };
  const us = { fieldManager: 'us' };
  const codeOf = async (work: Promise<unknown>) =>
    await work.then(
      () => 'sent',
      (error: unknown) => (error instanceof KubeError ? error.code : String(error)),
    );
  const keep = (client: KubeClient) => {
    clients.push(client);
    return client;
  };

  beforeEach(async () => {
    refusal = undefined;
    server = await ScriptedApiserver.start({ tls: true });
    for (const kind of ['get', 'create', 'patch', 'delete'] as const)
      server.otherwise(kind, json(200, object('a', 1)));
  });

  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    await server.stop();
  });

  it('keeps every kind of write back and no read', async () => {
    const client = keep(new KubeClient({ credentials: server.credentials, clock: systemClock })).gated(gate);
    refusal = 'not the leader';

    expect(await codeOf(client.apply(configMaps, { metadata: a }, us))).to.equal('ERR_KUBE_GATED');
    expect(await codeOf(client.applyStatus(configMaps, { metadata: a }, us))).to.equal('ERR_KUBE_GATED');
    expect(await codeOf(client.create(configMaps, { metadata: a }, us))).to.equal('ERR_KUBE_GATED');
    expect(await codeOf(client.jsonPatch(configMaps, a, [], us))).to.equal('ERR_KUBE_GATED');
    expect(await codeOf(client.mergePatch(configMaps, a, {}, us))).to.equal('ERR_KUBE_GATED');
    expect(await codeOf(client.delete(configMaps, a))).to.equal('ERR_KUBE_GATED');
    expect(server.requests).to.deep.equal([]);
    expect(await codeOf(client.get(configMaps, a))).to.equal('sent');
    expect(await codeOf(client.reserved().create(configMaps, { metadata: a }, us))).to.equal('sent');
  });

  it('is asked after the wait for the rate limit', async () => {
    const clock = new ManualClock();
    const limiter = new RateLimiter({ qps: 1, burst: 1, clock });
    const client = keep(
      new KubeClient({ credentials: server.credentials, clock: systemClock, limiter }),
    ).gated(gate);
    await client.create(configMaps, { metadata: a }, us);
    const waiting = codeOf(client.create(configMaps, { metadata: a }, us));
    expect(limiter.waiting).to.equal(1);

    refusal = 'the lease ended';
    await clock.advance(1000);
    expect(await waiting).to.equal('ERR_KUBE_GATED');
    expect(server.seen('create')).to.have.length(1);
  });

  it('is asked after the wait for credentials', async () => {
    const token = Promise.withResolvers<string>();
    const credentials = { ...server.credentials, authorization: () => token.promise };
    const client = keep(new KubeClient({ credentials, clock: systemClock })).gated(gate);
    const writing = codeOf(client.create(configMaps, { metadata: a }, us));

    refusal = 'the lease ended';
    token.resolve('Bearer t');
    expect(await writing).to.equal('ERR_KUBE_GATED');
    expect(server.requests).to.deep.equal([]);
  });

  it('is asked after the TLS handshake of a new connection', async () => {
    const accepted = Promise.withResolvers<Socket>();
    const slow = createServer((socket) => accepted.resolve(socket.on('error', () => {})));
    await new Promise<void>((resolve) => slow.listen(0, '127.0.0.1', resolve));
    const { port } = slow.address() as AddressInfo;
    const credentials = { ...server.credentials, baseUrl: `https://127.0.0.1:${port}` };
    let asked = 0;
    const client = keep(new KubeClient({ credentials, clock: systemClock })).gated(() => {
      asked += 1;
      return refusal;
    });
    const writing = codeOf(client.create(configMaps, { metadata: a }, us));
    const socket = await accepted.promise;
    expect(asked, 'the handshake has not even begun').to.equal(0);

    refusal = 'the lease ended';
    const onward = connect(Number(new URL(server.url).port), '127.0.0.1').on('error', () => {});
    socket.pipe(onward).pipe(socket);
    expect(await writing).to.equal('ERR_KUBE_GATED');
    expect(asked).to.equal(1);
    expect(server.requests).to.deep.equal([]);
    onward.destroy();
    slow.close();
  });

  it('is asked after the wait for a free connection', async () => {
    const options = { credentials: server.credentials, clock: systemClock, maxConnections: 1 };
    const client = keep(new KubeClient(options)).gated(gate);
    server.script('get', silence);
    const blocking = new AbortController();
    const blocked = codeOf(client.get(configMaps, a, { signal: blocking.signal }));
    await eventually('the only connection is taken', () => server.seen('get').length === 1);
    const waiting = codeOf(client.create(configMaps, { metadata: a }, us));
    expect(await codeOf(client.reserved().get(configMaps, a)), 'reserved calls do not wait').to.equal('sent');

    refusal = 'the lease ended';
    blocking.abort(new Error('enough'));
    await blocked;
    expect(await waiting).to.equal('ERR_KUBE_GATED');
    expect(server.seen('create')).to.deep.equal([]);
  });
});
