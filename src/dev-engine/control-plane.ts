// A stand-in for the hosted control plane: answers project resolution by endpoint and by id. Plain HTTP and HTTPS on one
// port, told apart by the first byte.

import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer, type Socket } from 'node:net';
import { type Clock, sleep } from '../common/clock.ts';
import { listen } from '../common/listen.ts';
import type { ListenAddress } from '../common/listen-address.ts';
import type { Authenticator } from './authenticator.ts';
import type { CertificateAuthority } from './certificate-authority.ts';
import { EngineOptionError } from './errors.ts';
import { isObject, type JsonObject } from './inventory.ts';
import type { ServerNames } from './server-names.ts';
import { TlsTerminator } from './tls-terminator.ts';

export interface Project {
  readonly id: string;
  readonly endpoint: string;
  readonly domain: string;
  readonly enginePort: number;
  readonly regions: readonly {
    readonly region: string;
    readonly domain: string;
    readonly enginePort: number;
  }[];
}

/** What the control plane answers instead of the truth; status 0 is the truth. */
export interface ControlPlaneFault {
  readonly status: number;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly delayMs: number;
}

export interface ControlPlaneOptions {
  readonly listen: ListenAddress;
  readonly clock: Clock;
  readonly authority: CertificateAuthority;
  readonly names: readonly string[];
  readonly serverNames: ServerNames;
  readonly authenticator: Authenticator;
  /** Read at each request. */
  readonly projects: () => readonly Project[];
  readonly fault: () => ControlPlaneFault | undefined;
  /** Told about each request; header values are not kept. */
  readonly onRequest: (method: string, path: string, headerNames: readonly string[]) => void;
}

export interface ControlPlane {
  readonly port: number;
  close(): Promise<void>;
}

export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const http = createHttpServer({ requestTimeout: 10_000, maxHeaderSize: 16_384 }, (request, response) => {
    answer(options, request, response).catch(() => response.destroy());
  });
  const terminator = new TlsTerminator({
    certificate: await options.authority.issueServer(options.names),
    alpn: ['http/1.1'],
    handshakeTimeoutMs: 10_000,
    contextOf: (name) => options.serverNames.contextOf(name),
    onSocket: (socket) => http.emit('connection', socket),
  });
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).once('close', () => sockets.delete(socket));
    socket.setTimeout(30_000, () => socket.destroy());
    socket.once('data', (chunk) => {
      socket.pause();
      socket.unshift(chunk);
      if (chunk[0] === 22) return terminator.accept(socket);
      http.emit('connection', socket);
      socket.resume();
    });
  });
  server.maxConnections = 512;
  const port = await listen(server, options.listen, '--control-plane-listen');
  return {
    port,
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

async function answer(options: ControlPlaneOptions, request: IncomingMessage, response: ServerResponse) {
  const path = (request.url ?? '/').split('?')[0] ?? '/';
  options.onRequest(request.method ?? '', path, Object.keys(request.headers));
  const fault = options.fault();
  if (fault?.delayMs) await sleep(options.clock, fault.delayMs);
  if (fault?.status) {
    response.writeHead(fault.status, { 'content-type': 'application/json', ...fault.headers });
    return response.end(fault.body);
  }
  const reply = (status: number, value: unknown) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    return response.end(JSON.stringify(value));
  };
  if (request.method !== 'GET') return reply(405, { error: 'use GET' });
  const token = /^bearer\s+(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
  if (!options.authenticator.userOfToken(token)) return reply(401, { error: 'the token is not accepted' });
  const project = findProject(options.projects(), path);
  if (!project) return reply(404, { error: 'there is no such project' });
  return reply(200, projectObject(project));
}

function findProject(projects: readonly Project[], path: string): Project | undefined {
  const match = /^\/api\/projects\/tunnels\/(resolve\/)?([^/]+)$/.exec(path);
  const key = match?.[2] === undefined ? undefined : decode(match[2]);
  if (key === undefined) return undefined;
  return projects.find((project) => (match?.[1] ? project.endpoint : project.id) === key);
}

function decode(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}

function projectObject(project: Project): JsonObject {
  return {
    id: project.id,
    workspaceId: 'wks_local',
    name: 'local',
    endpoint: project.endpoint,
    domain: project.domain,
    enginePort: project.enginePort,
    url: `${project.endpoint}.${project.domain}:${project.enginePort}`,
    status: 'active',
    provider: 'other',
    plan: 'development',
    deployment: 'dedicated',
    // Clients disagree about the name of this field.
    routing: 'global',
    placement: 'global',
    regionalEndpoints: project.regions.map((region) => ({ provider: 'other', ...region })),
  };
}

/** Projects as the admin listener takes them; throws ERR_ENGINE_OPTION. */
export function parseProjects(value: unknown): readonly Project[] {
  if (!Array.isArray(value)) throw new EngineOptionError('projects is an array');
  return value.map((item: unknown) => {
    if (!isObject(item)) throw new EngineOptionError('a project is an object');
    const { id, endpoint, domain, enginePort, regions = [] } = item;
    const named = typeof id === 'string' && typeof endpoint === 'string' && typeof domain === 'string';
    if (!named || typeof enginePort !== 'number' || !Array.isArray(regions)) {
      throw new EngineOptionError('a project has id, endpoint, domain, enginePort and regions');
    }
    return { id, endpoint, domain, enginePort, regions: regions.map(parseRegion) };
  });
}

function parseRegion(value: unknown): Project['regions'][number] {
  const { region, domain, enginePort } = isObject(value) ? value : {};
  if (typeof region !== 'string' || typeof domain !== 'string' || typeof enginePort !== 'number') {
    throw new EngineOptionError('a region has region, domain and enginePort');
  }
  return { region, domain, enginePort };
}
