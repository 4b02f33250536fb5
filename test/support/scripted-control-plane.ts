// A control plane whose answers a test writes. It records what it was asked, so that tests can say what was never sent.

import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface RecordedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
}

/** Flags of a manager that may ask it, although it speaks plain http on this machine. */
export const ASKING_FLAGS = ['--allow-insecure-control-plane', '--control-plane-allow-cidr', '127.0.0.0/8'];

export type ControlPlaneAnswer = (response: ServerResponse) => void;

/** A project as the hosted service describes it. */
export const project = {
  id: 'p-1',
  endpoint: 'ab12cd34',
  domain: 'edge.example.com',
  enginePort: 8443,
  routing: 'global',
  regionalEndpoints: [
    { provider: 'aws', region: 'eu-west-3', domain: 'eu-west-3.edge.example.com', enginePort: 443 },
    { provider: 'aws', region: 'us-east-1', domain: 'us-east-1.edge.example.com', enginePort: 443 },
    { provider: 'gcp', region: 'us-east-1', domain: 'g.us-east-1.edge.example.com', enginePort: 443 },
  ],
};

export function answer(
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): ControlPlaneAnswer {
  return (response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  };
}

export class ScriptedControlPlane {
  readonly requests: RecordedRequest[] = [];
  /** What every request is answered with from now on. */
  answer: ControlPlaneAnswer = answer(200, project);
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      const { method = '', url: path = '', headers } = request;
      this.requests.push({ method, path, headers });
      this.answer(response);
    });
  }

  static async start(): Promise<ScriptedControlPlane> {
    const plane = new ScriptedControlPlane();
    await new Promise<void>((resolve) => plane.#server.listen(0, '127.0.0.1', resolve));
    return plane;
  }

  get port(): number {
    const address = this.#server.address();
    return (address as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
