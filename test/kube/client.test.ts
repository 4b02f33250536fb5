import { expect } from 'chai';
import { Registry } from 'prom-client';
import { ApiError, isConflict, isInvalid, KubeError } from '../../src/kube/errors.ts';
import { KubeMetrics } from '../../src/kube/metrics.ts';
import { metadataOf } from '../../src/kube/resource.ts';
import { configMaps, namespaces, secrets } from '../../src/kube/well-known.ts';
import { json, list, object, reset, silence, status, statusBody, text } from '../support/scripted-answers.ts';
import { ScriptedApiserver } from '../support/scripted-apiserver.ts';

describe('KubeClient', () => {
  let server: ScriptedApiserver;
  const failureOf = async (work: Promise<unknown>): Promise<unknown> =>
    await work.then(
      () => expect.fail('it did not fail'),
      (error: unknown) => error,
    );
  const a = { namespace: 'default', name: 'a' };
  const us = { fieldManager: 'us' };

  beforeEach(async () => {
    server = await ScriptedApiserver.start();
  });

  afterEach(async () => {
    await server.stop();
  });

  describe('reading', () => {
    it('gets an object, and undefined when there is none', async () => {
      server.script('get', json(200, object('a', 1)), status(404, 'NotFound'));
      const client = server.client();

      expect((await client.get(configMaps, a))?.metadata.uid).to.equal('uid-a');
      expect(await client.get(configMaps, a)).to.equal(undefined);
      expect(server.requests[0]?.path).to.equal('/api/v1/namespaces/default/configmaps/a');
    });

    it('asks for metadata only and takes the empty list of it, whose items are null', async () => {
      server.script(
        'list',
        json(200, { kind: 'PartialObjectMetadataList', metadata: { resourceVersion: '7' }, items: null }),
      );
      const found = await server.client().list(metadataOf(secrets), {
        namespace: 'n',
        labelSelector: 'a in (b,c)',
      });

      expect(found).to.deep.equal({ resourceVersion: '7', items: [] });
      const [request] = server.requests;
      expect(request?.headers.accept).to.equal(
        'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1',
      );
      expect(request?.query.get('labelSelector')).to.equal('a in (b,c)');
    });

    it('gives the items of a list the apiVersion and kind that lists leave out', async () => {
      server.script('list', list(3, [{ metadata: { name: 'a', resourceVersion: '1' } }]));
      const { items } = await server.client().list(configMaps);

      expect(items[0]).to.include({ apiVersion: 'v1', kind: 'ConfigMap' });
    });

    it('uses one connection for many calls', async () => {
      server.otherwise('get', json(200, object('a', 1)));
      const client = server.client();
      for (let call = 0; call < 20; call += 1) await client.get(configMaps, a);

      expect(server.connections).to.equal(1);
    });
  });

  describe('writing', () => {
    it('applies with its field manager, by force, refusing unknown fields', async () => {
      server.script('patch', json(200, object('a', 2)), json(200, object('a', 3)));
      const client = server.client();
      await client.apply(configMaps, { metadata: a, data: { key: 'value' } }, us);
      await client.applyStatus(configMaps, { metadata: a }, { ...us, force: false });

      const [first, second] = server.requests;
      expect(first?.headers['content-type']).to.equal('application/apply-patch+yaml');
      expect(Object.fromEntries(first?.query ?? [])).to.deep.equal({
        fieldManager: 'us',
        force: 'true',
        fieldValidation: 'Strict',
      });
      expect(first?.body).to.deep.equal({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: a,
        data: { key: 'value' },
      });
      expect(second?.path).to.equal('/api/v1/namespaces/default/configmaps/a/status');
      expect(second?.query.get('force')).to.equal('false');
    });

    it('creates in the collection and patches the object', async () => {
      server.script('create', json(201, object('a', 1))).script('patch', json(200, object('a', 2)));
      const client = server.client();
      await client.create(configMaps, { metadata: a }, us);
      const operations = [{ op: 'test', path: '/metadata/resourceVersion', value: '1' }] as const;
      await client.jsonPatch(configMaps, a, operations, { ...us, subresource: 'status' });

      expect(server.requests.map((request) => request.path)).to.deep.equal([
        '/api/v1/namespaces/default/configmaps',
        '/api/v1/namespaces/default/configmaps/a/status',
      ]);
      expect(server.requests[1]?.headers['content-type']).to.equal('application/json-patch+json');
      expect(server.requests[1]?.body).to.deep.equal(operations);
    });

    it('deletes only what the preconditions name; nothing to delete is not an error', async () => {
      server.script(
        'delete',
        json(200, statusBody(200, '')),
        status(404, 'NotFound'),
        status(409, 'Conflict'),
      );
      const client = server.client();

      expect(await client.delete(configMaps, a, { uid: 'u' })).to.equal(true);
      expect(await client.delete(configMaps, a)).to.equal(false);
      expect(await failureOf(client.delete(configMaps, a, { uid: 'x' }))).to.satisfy(isConflict);
      expect(server.requests[0]?.body).to.deep.include({
        preconditions: { uid: 'u' },
        propagationPolicy: 'Background',
      });
    });

    it('cannot be led to another path by a name', async () => {
      server.script('get', status(404, 'NotFound'));
      const client = server.client();
      await client.get(configMaps, { namespace: 'default', name: 'a/../../secrets/b?c#d' });

      expect(server.requests[0]?.path).to.equal(
        '/api/v1/namespaces/default/configmaps/a%2F..%2F..%2Fsecrets%2Fb%3Fc%23d',
      );
      expect(await failureOf(client.get(configMaps, { namespace: '..', name: 'a' }))).to.be.instanceOf(
        RangeError,
      );
      expect(await failureOf(client.get(configMaps, { name: 'a' }))).to.be.instanceOf(RangeError);
      expect(await failureOf(client.get(namespaces, a))).to.be.instanceOf(RangeError);
    });
  });

  describe('errors', () => {
    it('carry status, reason, message, causes and how long to wait', async () => {
      const causes = [{ reason: 'FieldValueInvalid', message: 'must be short', field: 'spec.name' }];
      server.script(
        'patch',
        json(422, { ...statusBody(422, 'Invalid', 'is invalid'), details: { name: 'a', causes } }),
      );
      server.script('get', status(429, 'TooManyRequests', { retryAfter: 7 }));
      server.script('list', json(504, { ...statusBody(504, 'Timeout'), details: { retryAfterSeconds: 3 } }));
      const client = server.client();

      const invalid = await failureOf(client.apply(configMaps, { metadata: a }, us));
      expect(invalid).to.be.instanceOf(ApiError).and.to.satisfy(isInvalid);
      expect(invalid).to.deep.include({
        status: 422,
        reason: 'Invalid',
        message: 'is invalid',
        code: 'ERR_KUBE_API',
      });
      expect((invalid as ApiError).details?.causes).to.deep.equal(causes);
      expect(await failureOf(client.get(configMaps, a))).to.include({ status: 429, retryAfterMs: 7000 });
      expect(await failureOf(client.list(configMaps))).to.include({ status: 504, retryAfterMs: 3000 });
    });

    it('quote the first line of an answer that is not JSON', async () => {
      server.script('get', text(502, 'bad gateway\nmore'));
      expect(await failureOf(server.client().get(configMaps, a))).to.include({
        status: 502,
        message: 'bad gateway',
      });
    });

    it('name a deadline that passed, and leave no connection behind', async () => {
      server.script('get', silence).otherwise('get', json(200, object('a', 1)));
      const client = server.client();
      const late = await failureOf(client.get(configMaps, a, { timeoutMs: 30 }));

      expect(late).to.be.instanceOf(KubeError).and.to.include({ code: 'ERR_KUBE_TIMEOUT' });
      expect((await client.get(configMaps, a))?.metadata.name).to.equal('a');
      expect(server.connections).to.equal(2);
    });

    it('are the reason of the signal when the caller gave up', async () => {
      server.script('get', silence);
      const reason = new Error('enough');
      const controller = new AbortController();
      const call = failureOf(server.client().get(configMaps, a, { signal: controller.signal }));
      controller.abort(reason);

      expect(await call).to.equal(reason);
    });

    it('refuse an answer over the bound', async () => {
      server.script('get', json(200, { ...object('a', 1), data: { x: 'y'.repeat(2000) } }));
      const failure = await failureOf(server.client({ maxBodyBytes: 1000 }).get(configMaps, a));

      expect(failure).to.include({ code: 'ERR_KUBE_PROTOCOL' });
    });

    it('refuse an object that is not one', async () => {
      server.script('get', json(200, ['a']), json(200, { metadata: {} }), text(200, 'not json'));
      const client = server.client();
      for (let call = 0; call < 3; call += 1) {
        expect(await failureOf(client.get(configMaps, a))).to.include({ code: 'ERR_KUBE_PROTOCOL' });
      }
    });
  });

  describe('a connection that breaks', () => {
    it('is tried again once for what may be repeated', async () => {
      server
        .script('get', reset, json(200, object('a', 1)))
        .script('patch', reset, json(200, object('a', 2)), reset, status(409, 'Conflict'));
      const client = server.client();

      expect((await client.get(configMaps, a))?.metadata.name).to.equal('a');
      expect((await client.apply(configMaps, { metadata: a }, us)).metadata.resourceVersion).to.equal('2');
      const locked = { metadata: { ...a, resourceVersion: '1' } };
      expect(await failureOf(client.apply(configMaps, locked, us))).to.include({ status: 409 });
    });

    it('fails a write that may not be repeated', async () => {
      server.script('create', reset).script('patch', reset);
      const client = server.client();
      const add = [{ op: 'add', path: '/data/a', value: 'b' }] as const;

      expect(await failureOf(client.create(configMaps, { metadata: a }, us))).to.include({
        code: 'ERR_KUBE_CONNECTION',
      });
      expect(await failureOf(client.jsonPatch(configMaps, a, add, us))).to.include({
        code: 'ERR_KUBE_CONNECTION',
      });
      expect(server.requests).to.have.length(2);
    });

    it('fails when it breaks twice, and counts both', async () => {
      server.otherwise('get', reset);
      const registry = new Registry();
      const client = server.client({ metrics: new KubeMetrics(registry) });
      expect(await failureOf(client.get(configMaps, a))).to.include({ code: 'ERR_KUBE_CONNECTION' });
      expect(server.requests).to.have.length(2);
      expect(await registry.metrics()).to.match(
        /rest_client_requests_total\{method="GET",code="<error>",host="[^"]+"\} 2/,
      );
    });
  });

  describe('credentials', () => {
    it('are read again after a 401, once', async () => {
      let token = 'old';
      const credentials = {
        ...server.credentials,
        authorization: async () => `Bearer ${token}`,
        invalidate: () => {
          token = 'new';
        },
      };
      server.script('create', status(401, 'Unauthorized'), json(201, object('a', 1)));
      server.otherwise('create', status(401, 'Unauthorized'));
      const client = server.client({ credentials });

      await client.create(configMaps, { metadata: a }, us);
      expect(server.requests.map((request) => request.headers.authorization)).to.deep.equal([
        'Bearer old',
        'Bearer new',
      ]);
      expect(await failureOf(client.create(configMaps, { metadata: a }, us))).to.include({ status: 401 });
      expect(server.requests).to.have.length(4);
    });
  });
});
