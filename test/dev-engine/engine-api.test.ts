// The engine's HTTP API, its event streams, the stand-in control plane, and the admin listener.

import { request as requestHttp } from 'node:http';
import { get as getHttps, type RequestOptions } from 'node:https';
import { expect } from 'chai';
import { WebSocket } from 'ws';
import { type AdminListener, startAdmin } from '../../src/dev-engine/admin.ts';
import type { Engine } from '../../src/dev-engine/engine.ts';
import { startTestEngine } from '../support/dev-engine.ts';
import { eventually } from '../support/eventually.ts';
import { details, RawAgent, RawConnection } from '../support/raw-client.ts';

describe('dev engine: HTTP API', () => {
  let engine: Engine;
  let admin: AdminListener;
  let agent: RawAgent;
  const bearer = { authorization: 'Bearer T' };

  before(async () => {
    engine = await startTestEngine({ controlPlane: { host: '127.0.0.1', port: 0 }, regions: ['eu-1'] });
    admin = await startAdmin(engine, { host: '127.0.0.1', port: 0 });
    agent = await RawAgent.start(engine);
    await agent.open({ publish: false, name: 'a', labels: { team: 'red' } });
    await agent.open({ protocol: 'http', name: 'b', geoip: ['FR'] });
  });
  after(async () => {
    agent.close();
    await Promise.all([engine.close(), admin.close()]);
  });

  function ask(path: string, options: RequestOptions = {}): Promise<{ status: number; body: unknown }> {
    const base = {
      host: 'localhost',
      port: engine.port,
      ca: engine.authority.certificate,
      agent: false,
      path,
    };
    return new Promise((resolve, reject) => {
      getHttps({ ...base, ...options }, (response) => {
        let text = '';
        response.on('data', (chunk) => (text += chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) }));
      }).on('error', reject);
    });
  }

  function administer(
    method: string,
    path: string,
    body?: unknown,
  ): Promise<{ status: number; body: unknown }> {
    return new Promise((resolve, reject) => {
      const outgoing = requestHttp(
        { host: '127.0.0.1', port: admin.port, method, path, agent: false },
        (response) => {
          let text = '';
          response.on('data', (chunk) => (text += chunk));
          response.on('end', () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) }));
        },
      );
      outgoing.on('error', reject).end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  const names = (body: unknown) => (Array.isArray(body) ? body.map((item) => item.name) : body);
  const params = (value: unknown) => `?params=${encodeURIComponent(JSON.stringify(value))}`;

  it('wants a token, in the header or the query, or a client certificate', async () => {
    expect((await ask('/api/tunnels')).status).to.equal(401);
    expect((await ask('/api/tunnels', { headers: { authorization: 'Bearer x' } })).status).to.equal(401);
    expect((await ask('/api/tunnels', { headers: bearer })).status).to.equal(200);
    expect((await ask('/api/auth?rstream.token=T')).status).to.equal(200);
    expect((await ask('/api/auth', await engine.authority.issueClient('robot'))).body).to.deep.equal({
      user_id: 'robot',
    });
  });

  it('lists tunnels and clients by filter and limit', async () => {
    const list = async (path: string) => (await ask(path, { headers: bearer })).body;
    expect(names(await list('/api/tunnels'))).to.deep.equal(['a', 'b']);
    expect(names(await list(`/api/tunnels${params({ limit: 1 })}`))).to.deep.equal(['a']);
    expect(names(await list(`/api/tunnels${params({ filters: { publish: true } })}`))).to.deep.equal(['b']);
    expect(names(await list(`/api/tunnels${params({ filters: { labels: { team: null } } })}`))).to.deep.equal(
      ['a'],
    );
    expect(
      names(await list(`/api/tunnels${params({ filters: { labels: { team: 'blue' } } })}`)),
    ).to.deep.equal([]);
    expect(
      names(await list(`/api/tunnels${params({ filters: { __proto__: 1, name: 'b' } })}`)),
    ).to.deep.equal(['b']);
    const [tunnel] = engine.registry.tunnels;
    expect(await list(`/api/tunnels/${tunnel?.id}`)).to.include({ name: 'a', client_id: agent.clientId });
    expect(await list('/api/clients')).to.deep.include.members([]);
    expect((await ask(`/api/tunnels${params([])}`, { headers: bearer })).status).to.equal(400);
    expect((await ask('/api/tunnels?params=%7B', { headers: bearer })).status).to.equal(400);
    expect((await ask('/api/tunnels/none', { headers: bearer })).status).to.equal(404);
  });

  it('tells everybody its health and where clients with certificates go', async () => {
    expect((await ask('/api/health/live')).body).to.deep.equal({ status: 'live' });
    expect((await ask('/api/health/ready')).body).to.deep.equal({ status: 'ready' });
    expect((await ask('/.well-known/rstream/engine')).body).to.deep.equal({
      version: 1,
      projectEndpoint: 'localhost',
      mtlsApiUrl: `https://localhost:${engine.port}/api`,
      capabilities: ['engine-api-mtls'],
    });
  });

  it('survives request targets that are no URL', async () => {
    expect((await ask('//')).status).to.be.oneOf([400, 404]);
    const client = new WebSocket(`wss://localhost:${engine.port}//`, { ca: engine.authority.certificate });
    await new Promise((resolve) => client.on('error', resolve));
    expect((await ask('/api/health/live')).status).to.equal(200);
  });

  for (const transport of ['sse', 'websocket'] as const) {
    it(`streams a snapshot and then each change over ${transport}, as filtered`, async () => {
      const events: { type: string; object: { name?: string; tunnels?: unknown[] } }[] = [];
      const path = `/api/${transport}${params({ tunnels: { name: 'watched' } })}`;
      const stop = transport === 'sse' ? watchSse(path, events) : watchWebSocket(path, events);
      await eventually('the snapshot came', () => events.length === 1);
      const other = await RawAgent.start(engine);
      await other.open({ publish: false, name: 'ignored' });
      await other.open({ publish: false, name: 'watched' });
      other.close();
      await eventually('the changes came', () => events.length === 3);
      stop();
      expect(events.map(({ type }) => type)).to.deep.equal([
        'state.initial',
        'tunnel.created',
        'tunnel.deleted',
      ]);
      expect(events[0]?.object.tunnels).to.deep.equal([]);
      expect(events[1]?.object.name).to.equal('watched');
    });
  }

  function watchSse(path: string, events: unknown[]): () => void {
    const options = {
      host: 'localhost',
      port: engine.port,
      path,
      ca: engine.authority.certificate,
      agent: false,
    };
    const outgoing = getHttps({ ...options, headers: bearer }, (response) => {
      let text = '';
      response.on('error', () => {});
      response.on('data', (chunk) => {
        text += chunk;
        const parts = text.split('\n\n');
        text = parts.pop() ?? '';
        for (const part of parts) if (part.startsWith('data: ')) events.push(JSON.parse(part.slice(6)));
      });
    });
    outgoing.on('error', () => {});
    return () => outgoing.destroy();
  }

  function watchWebSocket(path: string, events: unknown[]): () => void {
    const client = new WebSocket(`wss://localhost:${engine.port}${path}`, {
      ca: engine.authority.certificate,
      headers: bearer,
    });
    client.on('message', (data) => events.push(JSON.parse(String(data)))).on('error', () => {});
    return () => client.terminate();
  }

  it('refuses a WebSocket without credentials', async () => {
    const client = new WebSocket(`wss://localhost:${engine.port}/api/websocket`, {
      ca: engine.authority.certificate,
    });
    const error = await new Promise<Error>((resolve) => client.on('error', resolve));
    expect(error.message).to.contain('401');
  });

  describe('control plane', () => {
    const resolvePath = '/api/projects/tunnels/resolve/0de7e460';
    const plane = (path: string, headers: Record<string, string> = bearer) =>
      new Promise<{ status: number; body: unknown }>((resolve, reject) => {
        const options = { host: '127.0.0.1', port: engine.controlPlanePort, path, headers, agent: false };
        requestHttp(options, (response) => {
          let text = '';
          response.on('data', (chunk) => (text += chunk));
          response.on('end', () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) }));
        })
          .on('error', reject)
          .end();
      });

    it('resolves by endpoint and id, in plain HTTP and over TLS', async () => {
      const { status, body } = await plane(resolvePath);
      expect(status).to.equal(200);
      expect(body).to.include({ endpoint: '0de7e460', domain: 'engine.test', enginePort: engine.port });
      expect(body).to.include({ routing: 'global', placement: 'global' });
      expect((await plane('/api/projects/tunnels/prj_0de7e460')).body).to.deep.equal(body);
      expect((await ask(resolvePath, { port: engine.controlPlanePort, headers: bearer })).body).to.deep.equal(
        body,
      );
    });

    it('answers 401 and 404', async () => {
      expect((await plane(resolvePath, {})).status).to.equal(401);
      expect((await plane('/api/projects/tunnels/resolve/none')).status).to.equal(404);
      expect((await plane('/api/projects/tunnels/resolve/%E0%A4')).status).to.equal(404);
    });

    it('fails as the admin listener says', async () => {
      const fault = { status: 429, body: '{"error":"slow down"}', headers: { 'retry-after': '7' } };
      expect((await administer('PUT', '/control-plane-fault', fault)).status).to.equal(200);
      expect(await plane(resolvePath)).to.deep.equal({ status: 429, body: { error: 'slow down' } });
      await administer('PUT', '/control-plane-fault', {});
      expect((await plane(resolvePath)).status).to.equal(200);
    });
  });

  describe('admin listener', () => {
    afterEach(() => administer('DELETE', '/faults'));

    it('switches faults on and off and refuses unknown ones by name', async () => {
      await administer('PUT', '/faults', { tunnelOpen: { answer: 'error', code: 7000, message: 'full' } });
      const error = await agent.open({ publish: false }).catch((thrown: { code: number }) => thrown);
      expect(error).to.include({ code: 7000, message: 'full' });
      const { status, body } = await administer('PUT', '/faults', { tunnelOpen: { answers: 'none' } });
      expect([status, body]).to.deep.equal([400, { error: 'faults.tunnelOpen.answers does not exist' }]);
      for (const bad of [{ silent: 1 }, [], { stream: null }, { proxy: { answer: 'maybe' } }]) {
        expect((await administer('PUT', '/faults', bad)).status).to.equal(400);
      }
      await administer('DELETE', '/faults');
      expect((await agent.open({ publish: false })).id).to.be.a('string');
    });

    it('answers a control request with nothing, an error, an empty message or garbage', async () => {
      const expected = { error: '000000', empty: '00000002', malformed: '00000001ff' };
      for (const [answer, prefix] of Object.entries(expected)) {
        await administer('PUT', '/faults', { controlOpen: { answer } });
        const client = await RawConnection.connect(engine);
        client.send({ case: 'openControlChannelReq', value: { clientDetails: details('T') } });
        expect((await client.read(prefix.length / 2)).toString('hex')).to.equal(prefix);
        client.close();
      }
    });

    it('misbehaves with heartbeats and liveness as told', async () => {
      const liveness = { heartbeatIntervalMs: 1000 };
      const fault = {
        heartbeats: { every: 2, offset: 5, duplicate: true },
        liveness: { intervalMs: 2000, timeoutMs: 60_000 },
      };
      await administer('PUT', '/faults', fault);
      const client = await RawConnection.connect(engine);
      client.send({ case: 'openControlChannelReq', value: { clientDetails: details('T'), liveness } });
      const { payload } = await client.expect('openControlChannelRsp');
      expect(payload.case === 'ok' && payload.value.liveness?.heartbeatIntervalMs).to.equal(2000);
      for (const sequence of [1n, 2n]) client.send({ case: 'heartbeat', value: { sequence } });
      for (let count = 0; count < 2; count++)
        expect((await client.expect('heartbeat')).acknowledgement).to.equal(7n);
      client.close();
    });

    it('sends any message or bytes to a client, revokes tunnels, and ends control connections', async () => {
      const other = await RawAgent.start(engine);
      const { id = '' } = await other.open({ publish: false });
      const message = { proxyConnReq: { tunnelId: id, streamId: 'abc', proxyEndpoint: 'x:1' } };
      expect((await administer('POST', `/clients/${other.clientId}/message`, message)).status).to.equal(200);
      await eventually('the request came', () => other.requests.some(({ streamId }) => streamId === 'abc'));
      expect((await administer('POST', `/clients/${other.clientId}/message`, { no: 1 })).status).to.equal(
        400,
      );
      await administer('DELETE', `/tunnels/${id}`);
      await eventually('the tunnel is revoked', () => other.closedTunnels.includes(id));
      await administer('POST', `/clients/${other.clientId}/drop`);
      await eventually('the channel has ended', () => other.ended);
      expect((await administer('POST', '/clients/none/drop')).status).to.equal(404);
      expect((await administer('GET', '/nothing')).status).to.equal(404);
      other.close();
    });

    it('records connections and frames, newest kept', async () => {
      await administer('DELETE', '/records');
      const certificate = await engine.authority.issueClient('seen');
      const other = await RawAgent.start(engine, { ...certificate, serverName: 'x.engine.test' });
      const { body } = await administer('GET', '/records?kind=connection');
      const [seen] = Array.isArray(body) ? body : [];
      expect(seen).to.include({ serverName: 'x.engine.test', alpn: 'rstrm/1', clientCertificate: 'seen' });
      other.close();
      for (let count = 0; count < 2500; count++) engine.recorder.add({ kind: 'gap', route: 'x', gapMs: 0 });
      expect(engine.recorder.entries.length).to.be.within(1000, 2000);
    });

    it('revokes and renews tokens, and takes the ingress side of a redirect', async () => {
      await administer('PUT', '/tokens', ['T2']);
      expect(await RawAgent.start(engine).catch((error: Error) => error)).to.be.instanceOf(Error);
      await administer('PUT', '/tokens', ['T']);
      (await RawAgent.start(engine)).close();

      await administer('POST', '/streams', { streamId: 'feed', secret: 's3cret' });
      const back = await RawConnection.connect(engine);
      back.send({
        case: 'proxyReq',
        value: { clientDetails: details('s3cret'), streamId: 'feed', zeroRtt: true },
      });
      back.write('hello');
      expect(String(await back.read(5))).to.equal('hello');
      back.close();
    });
  });
});
