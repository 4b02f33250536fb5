// The admin listener: JSON over plain HTTP to switch faults on, see what clients did, end sessions, change tokens and make
// client certificates. For tests and demos; bind it to a loopback address.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { fromJson, toBinary } from '@bufbuild/protobuf';
import { MessageSchema } from '../../generated/protobuf/rstream_pb.js';
import { codeOf, messageOf } from '../common/errors.ts';
import { listen } from '../common/listen.ts';
import type { ListenAddress } from '../common/listen-address.ts';
import { encodeFrame } from '../rstream/frame.ts';
import { parseProjects } from './control-plane.ts';
import type { Engine } from './engine.ts';
import { EngineOptionError } from './errors.ts';
import { parseFaults } from './faults.ts';
import { isObject } from './inventory.ts';

const maxBodyBytes = 256 * 1024;

export interface AdminListener {
  readonly port: number;
  close(): Promise<void>;
}

export async function startAdmin(engine: Engine, address: ListenAddress): Promise<AdminListener> {
  const server = createServer({ requestTimeout: 10_000 }, (request, response) => {
    serve(engine, request).then(
      (value) =>
        reply(response, value === undefined ? 404 : 200, value ?? { error: 'there is nothing here' }),
      (error) =>
        reply(response, codeOf(error) === 'ERR_ENGINE_OPTION' ? 400 : 500, { error: messageOf(error) }),
    );
  });
  server.maxConnections = 64;
  const port = await listen(server, address, '--admin-listen');
  return {
    port,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** The answer, undefined when there is no such path. */
async function serve(engine: Engine, request: IncomingMessage): Promise<unknown> {
  const url = URL.parse(request.url ?? '/', 'http://admin');
  if (!url) return undefined;
  const [first = '', id = '', action = ''] = url.pathname.split('/').slice(1);
  const body = await readJson(request);
  const operation = `${request.method} /${first}${id ? '/*' : ''}${action ? `/${action}` : ''}`;
  switch (operation) {
    case 'GET /status':
      return engine.status();
    case 'GET /faults':
      return engine.faults;
    case 'PUT /faults':
      engine.faults = parseFaults(body);
      return engine.faults;
    case 'DELETE /faults':
      engine.faults = parseFaults({});
      return engine.faults;
    case 'GET /records': {
      const since = Number(url.searchParams.get('since') ?? 0);
      const kind = url.searchParams.get('kind');
      return engine.recorder.entries.filter(
        (entry) => entry.number > since && (!kind || entry.kind === kind),
      );
    }
    case 'DELETE /records':
      engine.recorder.clear();
      return {};
    case 'PUT /tokens':
      engine.authenticator.setTokens(strings(body, 'tokens'));
      return {};
    case 'PUT /projects':
      engine.projects = parseProjects(body);
      return {};
    case 'PUT /control-plane-fault':
      engine.controlPlaneFault = parseControlPlaneFault(body);
      return {};
    case 'POST /client-certificates':
      return engine.authority.issueClient(stringOf(body, 'commonName'));
    case 'POST /streams':
      return expectStream(engine, body);
    case 'DELETE /tunnels/*': {
      const tunnel = engine.registry.tunnel(id);
      if (tunnel) engine.tunnels.revoke(tunnel);
      return tunnel && {};
    }
    default:
      return first === 'clients' ? serveClient(engine, id, `${request.method} ${action}`, body) : undefined;
  }
}

function serveClient(engine: Engine, id: string, operation: string, body: unknown): unknown {
  const client = engine.registry.client(id);
  if (!client) return undefined;
  switch (operation) {
    case 'POST close':
      client.end('close');
      return {};
    case 'POST drop':
      client.end('drop');
      return {};
    case 'POST message':
      client.sendRaw(encodeFrame(toBinary(MessageSchema, parseMessage(body))));
      return {};
    case 'POST bytes':
      client.sendRaw(Buffer.from(stringOf(body, 'hex'), 'hex'));
      return {};
    default:
      return undefined;
  }
}

/** Takes part in a redirect as the ingress: a dial-back with this id and secret is accepted and its bytes echoed. */
function expectStream(engine: Engine, body: unknown): unknown {
  const [id, secret] = [stringOf(body, 'streamId'), stringOf(body, 'secret')];
  engine.broker.expect(id, secret).then(
    (stream) => stream.pipe(stream),
    () => {},
  );
  return {};
}

function parseMessage(body: unknown) {
  try {
    return fromJson(MessageSchema, body as Parameters<typeof fromJson>[1]);
  } catch (error) {
    throw new EngineOptionError(`not a message: ${messageOf(error)}`);
  }
}

function parseControlPlaneFault(body: unknown) {
  if (!isObject(body)) throw new EngineOptionError('the fault is an object');
  const { status = 0, body: text = '', headers = {}, delayMs = 0 } = body;
  const fits = typeof status === 'number' && typeof text === 'string' && typeof delayMs === 'number';
  if (!fits || !isObject(headers)) {
    throw new EngineOptionError('a control plane fault has status, body, headers and delayMs');
  }
  const entries = Object.entries(headers).map(([name, value]) => [name, String(value)] as const);
  return { status, body: text, headers: Object.fromEntries(entries), delayMs };
}

function stringOf(body: unknown, key: string): string {
  const value = isObject(body) ? body[key] : undefined;
  if (typeof value !== 'string' || value === '') throw new EngineOptionError(`${key} is missing`);
  return value;
}

function strings(body: unknown, what: string): readonly string[] {
  if (!Array.isArray(body) || !body.every((item) => typeof item === 'string')) {
    throw new EngineOptionError(`${what} is an array of strings`);
  }
  return body;
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  let text = '';
  for await (const chunk of request) {
    text += chunk;
    if (text.length > maxBodyBytes) throw new EngineOptionError('the body is too large');
  }
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    throw new EngineOptionError('the body is not JSON');
  }
}

function reply(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify(value)}\n`);
}
