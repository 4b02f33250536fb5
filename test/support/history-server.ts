// A scripted API server with a memory: ConfigMaps that change by chance, lists in pages, watches that replay history, and
// every kind of failure in between until it is healed. The same seed makes the same choices.

import type { ServerResponse } from 'node:http';
import {
  bookmark,
  errorLine,
  garbage,
  gone,
  json,
  line,
  object,
  reset,
  type ScriptedObject,
  status,
} from './scripted-answers.ts';
import type { ScriptedApiserver, SeenRequest } from './scripted-apiserver.ts';

interface Past {
  readonly version: number;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: ScriptedObject;
}

export class HistoryServer {
  readonly #objects = new Map<string, ScriptedObject>();
  readonly #snapshots = new Map<number, readonly ScriptedObject[]>();
  readonly #watches = new Set<ServerResponse>();
  #history: Past[] = [];
  #version = 100;
  #oldest = 100;
  #seed: number;
  #healthy = false;
  #uid = 0;

  constructor(server: ScriptedApiserver, seed: number) {
    this.#seed = seed;
    server.otherwise('list', (response, request) => this.#list(response, request));
    server.otherwise('watch', (response, request) => this.#watch(response, request));
  }

  /** Name → version of everything there is. */
  state(): Record<string, string> {
    return Object.fromEntries(
      [...this.#objects].map(([name, { metadata }]) => [name, metadata.resourceVersion]),
    );
  }

  /** Makes, changes or deletes one object; now and then breaks watches or forgets the past. */
  change(): void {
    this.#version += 1 + this.#pick(3);
    const name = `o${this.#pick(12)}`;
    const old = this.#objects.get(name);
    if (!old) this.#uid += 1;
    const uid = old?.metadata.uid ?? `uid-${name}-${this.#uid}`;
    const next = object(name, this.#version, { uid });
    const type = !old ? 'ADDED' : this.#pick(3) === 0 ? 'DELETED' : 'MODIFIED';
    if (type === 'DELETED') this.#objects.delete(name);
    else this.#objects.set(name, next);
    const past = { version: this.#version, type, object: next } as const;
    this.#history.push(past);

    for (const watch of this.#watches) watch.write(line(type, next));
    if (this.#pick(15) === 0) this.#breakWatches();
    if (this.#pick(40) === 0) this.#forget();
  }

  /** From now on nothing fails any more. */
  heal(): void {
    this.#breakWatches();
    this.#healthy = true;
  }

  #list(response: ServerResponse, request: SeenRequest): void {
    if (this.#faulty(response, request)) return;
    const token = request.query.get('continue');
    const [version = 0, from = 0] = token ? token.split('/').map(Number) : [this.#version];
    if (!token) this.#snapshots.set(version, [...this.#objects.values()]);
    const all = this.#snapshots.get(version);
    if (!all || version < this.#oldest) {
      gone(response, request);
      return;
    }
    const limit = Number(request.query.get('limit') ?? all.length + 1);
    const next = from + limit < all.length ? `${version}/${from + limit}` : undefined;
    const metadata = { resourceVersion: `${version}`, continue: next };
    json(200, { metadata, items: all.slice(from, from + limit) })(response, request);
  }

  #watch(response: ServerResponse, request: SeenRequest): void {
    if (this.#faulty(response, request)) return;
    const since = Number(request.query.get('resourceVersion'));
    if (since < this.#oldest) {
      gone(response, request);
      return;
    }
    response.writeHead(200);
    response.flushHeaders();
    for (const past of this.#history) if (past.version > since) response.write(line(past.type, past.object));
    response.write(bookmark(this.#version));
    this.#watches.add(response);
    response.on('close', () => this.#watches.delete(response));
  }

  #faulty(response: ServerResponse, request: SeenRequest): boolean {
    if (this.#healthy || this.#pick(3) > 0) return false;
    const faults = [
      reset,
      garbage,
      gone,
      status(500, 'InternalError'),
      status(429, 'TooManyRequests', { retryAfter: 0 }),
    ];
    faults[this.#pick(faults.length)]?.(response, request);
    return true;
  }

  #breakWatches(): void {
    for (const watch of this.#watches) {
      this.#watches.delete(watch);
      const how = this.#pick(5);
      if (how === 0) watch.end();
      else if (how === 1) watch.end('{"type":"ADDED","obj');
      else if (how === 2) watch.end(errorLine(410, 'Expired'));
      else if (how === 3) watch.socket?.destroy();
      // else: it stays open and silent.
    }
  }

  /** Compaction: older versions can be neither watched from nor continued. */
  #forget(): void {
    this.#oldest = this.#version;
    this.#history = [];
    this.#snapshots.clear();
  }

  #pick(count: number): number {
    this.#seed = (this.#seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor((this.#seed / 2 ** 31) * count);
  }
}
