// What the calls of a KubeClient take: selections, deadlines, field managers, preconditions.

import type { Clock } from '../common/clock.ts';
import type { Credentials } from './credentials.ts';
import type { WriteGate } from './http.ts';
import type { KubeMetrics } from './metrics.ts';
import type { RateLimiter } from './rate-limiter.ts';

export interface KubeClientOptions {
  readonly credentials: Credentials;
  readonly clock: Clock;
  /** Asked before each request except watches; default none. */
  readonly limiter?: RateLimiter | undefined;
  /** Asked when a write is about to be sent; default open. */
  readonly gate?: WriteGate | undefined;
  readonly metrics?: KubeMetrics | undefined;
  /** Deadline of a call that names none; default 30 000 ms. */
  readonly timeoutMs?: number | undefined;
  /** Bound of an answer; default 128 MiB (a page of 500 large objects). */
  readonly maxBodyBytes?: number | undefined;
  /** Connections for calls, watches not counted; default 64. */
  readonly maxConnections?: number | undefined;
  readonly userAgent?: string | undefined;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
}

export interface Selection {
  /** Absent: every namespace. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
}

export interface ListOptions extends CallOptions, Selection {
  /** Objects per page; default 500, 0 = all at once. */
  readonly limit?: number | undefined;
}

export interface ListPageOptions extends ListOptions {
  readonly continueToken?: string | undefined;
}

export interface WatchOptions extends Selection {
  readonly resourceVersion: string;
  /** The server closes the watch after this. */
  readonly timeoutSeconds?: number | undefined;
  /** Nothing received for this long ends the watch with ERR_KUBE_TIMEOUT; bookmarks may be a minute apart. */
  readonly silenceMs: number;
  readonly signal: AbortSignal;
  /** Called once the server has accepted the watch. */
  readonly opened?: (() => void) | undefined;
}

export interface WriteOptions extends CallOptions {
  readonly fieldManager: string;
}

export interface ApplyOptions extends WriteOptions {
  /** Take fields over from other managers; default true. */
  readonly force?: boolean | undefined;
}

export interface PatchOptions extends WriteOptions {
  readonly subresource?: string | undefined;
}

export interface DeleteOptions extends CallOptions {
  /** Delete only this very object; 409 Conflict otherwise. */
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
  /** Default Background. */
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan' | undefined;
  readonly gracePeriodSeconds?: number | undefined;
}

/** https://datatracker.ietf.org/doc/html/rfc6902 */
export type JsonPatchOperation =
  | { readonly op: 'add' | 'replace' | 'test'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string };
