// What clients did: each connection's SNI, ALPN and client certificate, each frame received or sent, and who held a route
// when. A ring: the newest entries stay, the oldest go. Off unless somebody can ask for it (the admin listener, a test).

import { toJson } from '@bufbuild/protobuf';
import { type Message, MessageSchema } from '../../generated/protobuf/rstream_pb.js';
import type { Clock } from '../common/clock.ts';

export type Entry =
  | {
      readonly kind: 'connection';
      readonly connection: string;
      readonly remote: string;
      readonly serverName: string | undefined;
      readonly alpn: string | undefined;
      readonly clientCertificate: string | undefined;
      /** Whether it resumed an earlier TLS session. */
      readonly resumed: boolean;
    }
  | {
      readonly kind: 'received' | 'sent';
      readonly connection: string;
      readonly payload: string;
      readonly message: unknown;
    }
  | { readonly kind: 'claimed' | 'released'; readonly route: string; readonly tunnel: string }
  /** For how long a route had no owner, between a release and the next claim. */
  | { readonly kind: 'gap'; readonly route: string; readonly gapMs: number };

export type RecordedEntry = Entry & { readonly number: number; readonly atMs: number };

export class Recorder {
  readonly #clock: Clock;
  readonly #limit: number;
  #entries: RecordedEntry[] = [];
  #number = 0;

  /** `limit` 0 records nothing. */
  constructor(clock: Clock, limit: number) {
    this.#clock = clock;
    this.#limit = limit;
  }

  get entries(): readonly RecordedEntry[] {
    return this.#entries;
  }

  add(entry: Entry): void {
    if (this.#limit === 0) return;
    this.#number += 1;
    this.#entries.push({ ...entry, number: this.#number, atMs: this.#clock.now() });
    if (this.#entries.length > 2 * this.#limit) this.#entries = this.#entries.slice(-this.#limit);
  }

  frame(kind: 'received' | 'sent', connection: string, message: Message): void {
    if (this.#limit === 0) return;
    const payload = message.payload.case ?? '';
    this.add({ kind, connection, payload, message: toJson(MessageSchema, message) });
  }

  clear(): void {
    this.#entries = [];
  }
}
