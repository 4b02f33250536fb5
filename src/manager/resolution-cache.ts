// When to ask a control plane, and what to go on with when it does not answer. One entry per connection: the last good
// answer, refreshed every ten minutes, and after a failure a pause that grows and that a Retry-After can lengthen.

import { Backoff } from '../common/backoff.ts';
import type { Clock } from '../common/clock.ts';
import { digestOf } from './config-hash.ts';
import type { ProjectQuestion } from './connection-plan.ts';
import type { ResolveFailure, ResolveProject } from './control-plane.ts';
import type { Project } from './control-plane-project.ts';

export interface Resolution {
  /** The answer to use; with a failure beside it, the last good one. */
  readonly project?: Project | undefined;
  readonly failure?: ResolveFailure | undefined;
  /** When to ask again. */
  readonly againInMs: number;
  /** The question is the first one this process heard for the key: what was found before it started may still hold. */
  readonly isFirst: boolean;
}

interface Entry {
  readonly fingerprint: string;
  readonly backoff: Backoff;
  readonly isFirst: boolean;
  project?: Project | undefined;
  failure?: ResolveFailure | undefined;
  dueAt: number;
}

export interface ResolutionCacheOptions {
  readonly resolve: ResolveProject;
  readonly clock: Clock;
  readonly random?: () => number;
}

const refreshMs = 10 * 60_000;
const refreshJitter = 0.2;
const firstRetryMs = 2_000;
const maxRetryMs = 60_000;

export class ResolutionCache {
  readonly #options: Required<ResolutionCacheOptions>;
  readonly #entries = new Map<string, Entry>();

  constructor(options: ResolutionCacheOptions) {
    this.#options = { random: Math.random, ...options };
  }

  /** Asks only when the question is a new one or the pause is over. Runs once at a time per key, as reconciles do. */
  async resolve(key: string, question: ProjectQuestion, signal: AbortSignal): Promise<Resolution> {
    const entry = this.#entryFor(key, fingerprintOf(question));
    const now = this.#options.clock.now();
    if (entry.dueAt > now) return resolutionOf(entry, entry.dueAt - now);

    const outcome = await this.#options.resolve({ ...question, signal });
    if ('project' in outcome) this.#succeeded(entry, outcome.project);
    else this.#failed(entry, outcome.failure);
    return resolutionOf(entry, entry.dueAt - this.#options.clock.now());
  }

  /** The connection is gone or asks no control plane any more. */
  forget(key: string): void {
    this.#entries.delete(key);
  }

  get size(): number {
    return this.#entries.size;
  }

  #entryFor(key: string, fingerprint: string): Entry {
    const existing = this.#entries.get(key);
    if (existing?.fingerprint === fingerprint) return existing;
    const backoff = new Backoff({ initialMs: firstRetryMs, maxMs: maxRetryMs, random: this.#options.random });
    const entry: Entry = {
      fingerprint,
      backoff,
      isFirst: existing === undefined,
      dueAt: Number.NEGATIVE_INFINITY,
    };
    this.#entries.set(key, entry);
    return entry;
  }

  #succeeded(entry: Entry, project: Project): void {
    const jitter = 1 + refreshJitter * (this.#options.random() - 0.5);
    entry.project = project;
    entry.failure = undefined;
    entry.backoff.reset();
    entry.dueAt = this.#options.clock.now() + refreshMs * jitter;
  }

  #failed(entry: Entry, failure: ResolveFailure): void {
    // Spread, since a control plane in trouble asks everybody for the same pause.
    const asked = (failure.retryAfterMs ?? 0) * (1 + this.#options.random() / 10);
    const pause = Math.max(entry.backoff.next(), asked);
    entry.failure = failure;
    if (failure.reason !== 'ControlPlaneUnavailable') entry.project = undefined;
    entry.dueAt = this.#options.clock.now() + pause;
  }
}

/** A failure that says nothing about the project leaves the last good answer standing; any other one ended it. */
function resolutionOf({ project, failure, isFirst }: Entry, againInMs: number): Resolution {
  return { project, failure, againInMs, isFirst };
}

/** Everything that the answer depends on; Secret values enter through a digest. */
function fingerprintOf({ apiUrl, project, region, token, headers }: ProjectQuestion): string {
  const parts = new Map([...headers].map(([name, value]) => [`header ${name.toLowerCase()}`, value]));
  const subject = 'endpoint' in project ? ['endpoint', project.endpoint] : ['id', project.id];
  parts.set('question', JSON.stringify([apiUrl, ...subject, region ?? '']));
  parts.set('token', token);
  return digestOf(parts);
}
