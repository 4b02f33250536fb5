// Counts what each client asked of the API server, from the server's own audit log: by user agent, verb and resource, and
// how many of the writes changed nothing.

import { closeSync, openSync, readSync, statSync, writeFileSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';

/** Answers to writes are logged, because their resourceVersion tells whether anything changed. */
const policy = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived', 'ResponseStarted'],
  omitManagedFields: true,
  rules: [
    {
      level: 'RequestResponse',
      verbs: ['create', 'update', 'patch', 'delete'],
      resources: [
        { group: 'tunnels.rstream.io' },
        { group: '', resources: ['configmaps', 'serviceaccounts'] },
        { group: 'rbac.authorization.k8s.io' },
        { group: 'apps', resources: ['deployments', 'deployments/status'] },
        { group: 'policy' },
      ],
    },
    { level: 'Metadata', userGroups: ['system:serviceaccounts'] },
    { level: 'None' },
  ],
};

/** For `--audit-policy-file`. */
export function writeAuditPolicy(file: string): void {
  writeFileSync(file, JSON.stringify(policy));
}

/** The server keeps one file, however long it grows. */
export const auditArgs = ['--audit-log-maxsize=100000'];

export interface Request {
  readonly client: string;
  readonly verb: string;
  /** Like `rstreamtunnels/status`. */
  readonly resource: string;
  readonly status: number;
  /** Milliseconds since the epoch. */
  readonly receivedAt: number;
  /** Of the manager's work: not an Event, not its Lease. */
  readonly isWrite: boolean;
  /** A write after which the object was what it had been before. */
  readonly isIdle: boolean;
}

const writing = new Set(['create', 'update', 'patch', 'delete']);

export class AuditLog {
  readonly #file: string;
  readonly #decoder = new StringDecoder('utf8');
  /** Every version ever seen of any object: a write that answers with a known one changed nothing. */
  readonly #versions = new Set<string>();
  #offset = 0;
  #rest = '';

  constructor(file: string) {
    this.#file = file;
  }

  /** What was asked since the last call. */
  read(): readonly Request[] {
    const requests: Request[] = [];
    const lines = this.#readLines();
    for (const line of lines) {
      const request = this.#parse(line);
      if (request !== undefined) requests.push(request);
    }
    return requests;
  }

  #readLines(): readonly string[] {
    const file = openSync(this.#file, 'r');
    const chunk = Buffer.alloc(1 << 20);
    const lines: string[] = [];
    try {
      const end = statSync(this.#file).size;
      while (this.#offset < end) {
        const size = readSync(file, chunk, 0, chunk.length, this.#offset);
        this.#offset += size;
        const parts = (this.#rest + this.#decoder.write(chunk.subarray(0, size))).split('\n');
        this.#rest = parts.pop() ?? '';
        lines.push(...parts);
      }
    } finally {
      closeSync(file);
    }
    return lines;
  }

  #parse(line: string): Request | undefined {
    const event: AuditEvent = JSON.parse(line);
    const { verb, objectRef: object, responseObject: answer, userAgent = '' } = event;
    if (object === undefined) return undefined;
    const resource = object.subresource
      ? `${object.resource}/${object.subresource}`
      : (object.resource ?? '');
    const version = answer?.metadata?.resourceVersion;
    const status = event.responseStatus?.code ?? 0;
    return {
      client: userAgent.split('/')[0] ?? '',
      verb,
      resource,
      status,
      receivedAt: Date.parse(event.requestReceivedTimestamp),
      isWrite: writing.has(verb) && resource !== 'events' && resource !== 'leases',
      isIdle: status < 300 && writing.has(verb) && version !== undefined && this.#isKnown(object, version),
    };
  }

  #isKnown({ resource, namespace, name }: ObjectReference, version: string): boolean {
    const key = `${resource}/${namespace}/${name}@${version}`;
    const isKnown = this.#versions.has(key);
    this.#versions.add(key);
    return isKnown;
  }
}

export interface WriteCounts {
  /** Everything but Events and Leases, refused ones too. */
  readonly writes: number;
  readonly idle: number;
  readonly events: number;
  readonly leases: number;
  readonly byResource: Readonly<Record<string, number>>;
  /** Requests that read: get, list, watch. */
  readonly reads: Readonly<Record<string, number>>;
}

/** The requests of one client. */
export function countRequests(requests: readonly Request[], client: string): WriteCounts {
  const own = requests.filter((request) => request.client === client);
  const written = own.filter(({ verb }) => writing.has(verb));
  const writes = own.filter(({ isWrite }) => isWrite);
  return {
    writes: writes.length,
    idle: writes.filter(({ isIdle }) => isIdle).length,
    events: written.filter(({ resource }) => resource === 'events').length,
    leases: written.filter(({ resource }) => resource === 'leases').length,
    byResource: tally(
      writes.map(({ verb, resource, status }) => `${verb} ${resource}${status < 300 ? '' : ` ${status}`}`),
    ),
    reads: tally(own.filter(({ verb }) => !writing.has(verb)).map(({ verb }) => verb)),
  };
}

function tally(keys: readonly string[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return Object.fromEntries([...counts].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

interface ObjectReference {
  readonly resource?: string;
  readonly subresource?: string;
  readonly namespace?: string;
  readonly name?: string;
}

interface AuditEvent {
  readonly verb: string;
  readonly userAgent?: string;
  readonly requestReceivedTimestamp: string;
  readonly objectRef?: ObjectReference;
  readonly responseStatus?: { readonly code?: number };
  readonly responseObject?: { readonly metadata?: { readonly resourceVersion?: string } };
}
