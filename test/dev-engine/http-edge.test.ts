// The public face of http tunnels, with real servers behind a scripted agent and Node's own clients in front.

import { createHash, randomBytes } from 'node:crypto';
import { createServer as createHttp, type IncomingMessage, type RequestListener } from 'node:http';
import {
  connect as connectHttp2,
  createServer as createHttp2,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import { type RequestOptions, request as requestHttps } from 'node:https';
import { type AddressInfo, connect as connectTcp, type Server } from 'node:net';
import { Readable } from 'node:stream';
import { connect as connectTls, createServer as createTls } from 'node:tls';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { expect } from 'chai';
import { type ClientOptions, WebSocket, WebSocketServer } from 'ws';
import type { TunnelPropertiesSchema } from '../../generated/protobuf/rstream_pb.js';
import type { Engine } from '../../src/dev-engine/engine.ts';
import { testAuthority } from '../support/certificates.ts';
import { startTestEngine } from '../support/dev-engine.ts';
import { eventually } from '../support/eventually.ts';
import { RawAgent } from '../support/raw-client.ts';

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

describe('dev engine: http tunnels', () => {
  let engine: Engine;
  const cleanups: (() => unknown)[] = [];
  before(async () => {
    engine = await startTestEngine({
      streamTimeoutMs: 300,
      countries: [{ range: '127.0.0.0/8', country: 'FR' }],
    });
  });
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });
  after(() => engine.close());

  async function listen(server: Server): Promise<number> {
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    cleanups.push(() => void server.close());
    return (server.address() as AddressInfo).port;
  }

  /** A tunnel to the local port; returns its hostname. */
  async function publish(port: number, properties: MessageInitShape<typeof TunnelPropertiesSchema> = {}) {
    const agent = await RawAgent.start(engine, {
      onStream: (socket) => {
        const local = connectTcp({ port, host: '127.0.0.1', allowHalfOpen: true });
        local.on('error', () => socket.destroy());
        local.on('close', () => socket.destroySoon());
        socket.on('close', () => local.destroy());
        socket.pipe(local);
        local.pipe(socket);
      },
    });
    cleanups.push(() => agent.close());
    const { hostname = '' } = await agent.open({ protocol: 'http', ...properties });
    return { agent, hostname };
  }

  async function serve(listener: RequestListener, properties = {}) {
    return publish(await listen(createHttp(listener)), properties);
  }

  const target = (hostname: string, options: RequestOptions = {}): RequestOptions => ({
    host: '127.0.0.1',
    port: engine.port,
    servername: hostname,
    ca: engine.authority.certificate,
    agent: false,
    ...options,
    headers: { host: hostname, ...options.headers },
  });

  function ask(
    hostname: string,
    options: RequestOptions = {},
    body: Readable | string = '',
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const outgoing = requestHttps(target(hostname, options), (response) => {
        let text = '';
        response.setEncoding('latin1');
        response.on('data', (chunk) => (text += chunk)).on('error', reject);
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
        );
      });
      outgoing.on('error', reject);
      if (typeof body === 'string') outgoing.end(body);
      else body.pipe(outgoing);
    });
  }

  it('forwards method, path, headers and body, and answers with status and headers', async () => {
    const { hostname } = await serve((request, response) => {
      let text = '';
      request.on('data', (chunk) => (text += chunk));
      request.on('end', () => {
        response.writeHead(418, { 'x-answer': 'yes', 'set-cookie': ['a=1', 'b=2'] });
        response.end(
          JSON.stringify({ method: request.method, url: request.url, headers: request.headers, text }),
        );
      });
    });
    const headers = { 'x-mine': '1', 'x-forwarded-for': '9.9.9.9', connection: 'x-hop', 'x-hop': 'secret' };
    const answer = await ask(hostname, { method: 'PUT', path: '/a/b?c=%20d', headers }, 'the body');
    expect(answer.status).to.equal(418);
    expect(answer.headers['set-cookie']).to.deep.equal(['a=1', 'b=2']);
    const seen = JSON.parse(answer.text);
    expect(seen).to.include({ method: 'PUT', url: '/a/b?c=%20d', text: 'the body' });
    expect(seen.headers).to.include({
      host: hostname,
      'x-mine': '1',
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': hostname,
    });
    expect(seen.headers).not.to.have.property('x-hop');
  });

  it('reuses one stream for one request after another', async () => {
    const { hostname, agent } = await serve((_request, response) => void response.end('ok'));
    for (let count = 0; count < 5; count++) expect((await ask(hostname)).text).to.equal('ok');
    expect(agent.requests.length).to.equal(1);
  });

  const megabytes = process.env.RSTREAM_TEST_FULL === '1' ? 100 : 10;
  it(`carries ${megabytes} MB each way byte for byte`, async function () {
    this.timeout(120_000);
    const size = megabytes * 1024 * 1024;
    const block = randomBytes(1024 * 1024);
    const blocks = () =>
      Readable.from(
        (function* () {
          for (let sent = 0; sent < size; sent += block.length) yield block;
        })(),
      );
    const digestOf = async (stream: Readable) => {
      const hash = createHash('sha256');
      for await (const chunk of stream) hash.update(chunk);
      return hash.digest('hex');
    };
    const expected = await digestOf(blocks());
    const { hostname } = await serve((request, response) => {
      if (request.method === 'GET') return void blocks().pipe(response);
      digestOf(request).then(
        (digest) => response.end(digest),
        () => response.destroy(),
      );
    });
    expect((await ask(hostname, { method: 'POST' }, blocks())).text).to.equal(expected);
    const received = await new Promise<string>((resolve, reject) => {
      requestHttps(target(hostname), (response) => void digestOf(response).then(resolve, reject))
        .on('error', reject)
        .end();
    });
    expect(received).to.equal(expected);
  });

  it('lets a slow visitor hold the service back', async () => {
    let written = 0;
    const block = Buffer.alloc(256 * 1024);
    const { hostname } = await serve((_request, response) => {
      const more = () => {
        while (!response.destroyed && response.write(block)) written += block.length;
        written += block.length;
      };
      response.on('drain', more).on('error', () => {});
      more();
    });
    const outgoing = requestHttps(target(hostname), (response) => response.pause());
    outgoing.on('error', () => {}).end();
    cleanups.push(() => outgoing.destroy());
    let before = -1;
    await eventually(
      'the service has stopped writing',
      () => {
        const stalled = written > 0 && written === before;
        before = written;
        return stalled;
      },
      { everyMs: 500, timeoutMs: 15_000 },
    );
    // Socket buffers of five hops, not the endless answer.
    expect(written).to.be.below(64 * 1024 * 1024);
  });

  it('passes a WebSocket through', async () => {
    const server = createHttp();
    const sockets = new WebSocketServer({ server });
    sockets.on('connection', (socket, request) => {
      socket.send(`hello ${request.url}`);
      socket.on('message', (data) => socket.send(`echo ${data}`));
    });
    const { hostname } = await publish(await listen(server));
    const client = new WebSocket(`wss://127.0.0.1:${engine.port}/chat`, trusting(hostname));
    const messages: string[] = [];
    client.on('message', (data) => messages.push(String(data)));
    await new Promise((resolve, reject) => client.once('open', resolve).once('error', reject));
    client.send('one');
    await eventually('both messages came', () => messages.length === 2);
    expect(messages).to.deep.equal(['hello /chat', 'echo one']);
    client.terminate();
  });

  it('hands a refused upgrade on with its status', async () => {
    const { hostname } = await serve((_request, response) => void response.writeHead(403).end('no upgrade'));
    const client = new WebSocket(`wss://127.0.0.1:${engine.port}/`, trusting(hostname));
    const status = await new Promise((resolve) => {
      client.once('unexpected-response', (_request, response) => resolve(response.statusCode));
      client.on('error', () => {});
    });
    expect(status).to.equal(403);
    client.terminate();
  });

  /** The types of ws do not know that these options reach tls.connect. */
  function trusting(servername: string): ClientOptions {
    const options: ClientOptions & { servername: string } = {
      ca: engine.authority.certificate,
      servername,
      headers: { host: servername },
    };
    return options;
  }

  function openHttp2(hostname: string) {
    const options = { host: '127.0.0.1', port: engine.port, servername: hostname, ALPNProtocols: ['h2'] };
    return connectHttp2(`https://${hostname}:${engine.port}`, {
      createConnection: () => connectTls({ ...options, ca: engine.authority.certificate }),
    });
  }

  async function askHttp2(hostname: string, body?: Buffer) {
    const session = openHttp2(hostname);
    const stream = session.request(
      { ':path': '/two', ':method': body ? 'POST' : 'GET' },
      { endStream: !body },
    );
    if (body) stream.end(body);
    let headers: IncomingHttpHeaders = {};
    let trailers: IncomingHttpHeaders = {};
    stream.on('response', (received) => (headers = received));
    stream.on('trailers', (received) => (trailers = received));
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    session.close();
    return { status: headers[':status'], headers, trailers, text: String(Buffer.concat(chunks)) };
  }

  it('speaks HTTP/2 with visitors over an HTTP/1.1 service', async () => {
    const { hostname } = await serve((request, response) => {
      let size = 0;
      request.on('data', (chunk) => (size += chunk.length));
      request.on('end', () => response.end(`${request.httpVersion} ${request.url} ${size}`));
    });
    expect((await askHttp2(hostname)).text).to.equal('1.1 /two 0');
    expect((await askHttp2(hostname, Buffer.alloc(300_000))).text).to.equal('1.1 /two 300000');
  });

  it('speaks h2c with the service when asked to, trailers included, over one stream', async () => {
    const server = createHttp2();
    server.on('stream', (stream: ServerHttp2Stream, headers) => {
      let size = 0;
      stream.on('data', (chunk) => (size += chunk.length));
      stream.on('end', () => {
        stream.respond({ ':status': 200, 'x-version': '2' }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
        stream.end(`${headers[':path']} ${headers[':authority']} ${size}`);
      });
    });
    const { hostname, agent } = await publish(await listen(server), { httpVersion: 'h2c' });
    expect((await ask(hostname, { path: '/one' })).text).to.equal(`/one ${hostname} 0`);
    const two = await askHttp2(hostname, Buffer.alloc(100_000));
    expect(two.text).to.equal(`/two ${hostname}:${engine.port} 100000`);
    expect(two.trailers['grpc-status']).to.equal('0');
    expect(agent.requests.length).to.equal(1);
  });

  it('speaks TLS with the service when asked to', async () => {
    const certificate = await (await testAuthority()).issueServer(['service.test']);
    const http = createHttp((_request, response) => void response.end('over tls'));
    const server = createTls({ ...certificate, ALPNProtocols: ['http/1.1'] }, (socket) =>
      http.emit('connection', socket),
    );
    const { hostname } = await publish(await listen(server), { upstreamTls: true });
    for (let count = 0; count < 2; count++) expect((await ask(hostname)).text).to.equal('over tls');
  });

  it('asks for a token where the tunnel wants one, and takes it out of the query', async () => {
    const { hostname } = await serve((request, response) => void response.end(request.url), {
      tokenAuth: true,
    });
    expect((await ask(hostname)).status).to.equal(401);
    expect((await ask(hostname, { headers: { authorization: 'Bearer wrong' } })).status).to.equal(401);
    expect((await ask(hostname, { headers: { authorization: 'Bearer T' } })).status).to.equal(200);
    expect((await ask(hostname, { path: '/p?a=1&rstream.token=T' })).text).to.equal('/p?a=1');
  });

  it('lets in trusted addresses and countries only, before the agent hears of it', async () => {
    const listener: RequestListener = (_request, response) => void response.end('in');
    const cases = [
      { trustedIps: ['127.0.0.0/8'], status: 200 },
      { trustedIps: ['10.0.0.0/8'], status: 403 },
      { geoip: ['FR'], status: 200 },
      { geoip: ['DE'], status: 403 },
    ];
    for (const { status, ...properties } of cases) {
      const { hostname, agent } = await serve(listener, properties);
      expect((await ask(hostname)).status).to.equal(status);
      expect(agent.requests.length).to.equal(status === 200 ? 1 : 0);
    }
  });

  it('answers 421 for another host, 502 without a service, 503 without a tunnel, 504 without a dial-back', async () => {
    const { hostname } = await serve((_request, response) => void response.end('ok'));
    expect((await ask(hostname, { headers: { host: 'other.test' } })).status).to.equal(421);

    const closed = await listen(createHttp());
    for (const cleanup of cleanups.splice(-1)) cleanup();
    const bad = await publish(closed);
    const badGateway = await ask(bad.hostname);
    expect([badGateway.status, badGateway.text.length > 20]).to.deep.equal([502, true]);

    const unowned = await ask('r00000000-0de7e460.t.engine.test', { headers: { connection: 'keep-alive' } });
    expect(unowned.status).to.equal(503);
    // Otherwise whoever came in between two owners would meet nobody on this connection for ever.
    expect(unowned.headers.connection).to.equal('close');

    const mute = await RawAgent.start(engine, { onStream: () => {} });
    cleanups.push(() => mute.close());
    engine.faults.proxyConn.streamId = 'f'.repeat(24);
    const lost = await mute.open({ protocol: 'http' });
    expect((await ask(lost.hostname ?? '')).status).to.equal(504);
    engine.faults.proxyConn.streamId = '';
  });

  it('breaks the answer off when the service breaks it off', async () => {
    const { hostname } = await serve((_request, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('half');
      setImmediate(() => response.destroy());
    });
    const failed = await ask(hostname).catch((error: Error) => error);
    expect(failed).to.be.instanceOf(Error);
  });

  it('serves the successor of a closed tunnel on the same visitor connection', async () => {
    const name = 'moving.t.engine.test';
    const one = await serve((_request, response) => void response.end('old'), { hostname: name });
    const session = openHttp2(name);
    cleanups.push(() => session.destroy());
    const get = async () => {
      let text = '';
      for await (const chunk of session.request({ ':path': '/', ':authority': name })) text += chunk;
      return text;
    };
    expect(await get()).to.equal('old');
    one.agent.close();
    await eventually('the name is free', () => !engine.routes.isHeld(`host:${name}`));
    await serve((_request, response) => void response.end('new'), { hostname: name });
    expect(await get()).to.equal('new');
  });
});
