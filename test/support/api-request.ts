// One request to a test API server, with its raw answer: for tests of what the server itself says.

import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';

import type { KubeApiserver } from './kube-apiserver.ts';

export interface ApiAnswer {
  readonly status: number;
  readonly body: unknown;
}

const agents = new Map<string, Agent>();

export async function apiRequest(
  server: KubeApiserver,
  method: string,
  path: string,
  body?: object,
): Promise<ApiAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<ApiAnswer>();
  const headers = { authorization: `Bearer ${server.token}`, 'content-type': 'application/json' };
  const outgoing = request(
    new URL(path, server.url),
    { method, headers, agent: agentFor(server) },
    (response) => {
      const chunks: Buffer[] = [];
      response.on('error', reject);
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        resolve({ status: response.statusCode ?? 0, body: text === '' ? undefined : JSON.parse(text) });
      });
    },
  );
  outgoing.on('error', reject);
  outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  return promise;
}

function agentFor(server: KubeApiserver): Agent {
  const agent =
    agents.get(server.url) ?? new Agent({ ca: readFileSync(server.caFile), keepAlive: true, maxSockets: 4 });
  agents.set(server.url, agent);
  return agent;
}
