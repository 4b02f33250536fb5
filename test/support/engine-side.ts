// One connection as an engine sees it: frames and raw bytes, taken out one after the other by the test's script.

import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import type { Message, ProxyReq } from '../../generated/protobuf/rstream_pb.js';
import { FrameReader } from '../../src/rstream/frame.ts';
import { decodeMessage, encodeMessage, type Payload } from '../../src/rstream/messages.ts';

export type PayloadCase = NonNullable<Payload['case']>;
type ValueOf<C extends PayloadCase> = Extract<Message['payload'], { case: C }>['value'];

/** Long enough for a machine that is busy with other things. */
const patienceMs = 30_000;

export class EngineSide {
  readonly stream: Duplex;
  #chunks: Buffer[] = [];
  #size = 0;
  #ended = false;
  #closed = false;
  #changed = Promise.withResolvers<void>();

  constructor(stream: Duplex) {
    this.stream = stream;
    stream.on('error', () => {});
    stream.on('data', (chunk: Buffer) =>
      this.#change(() => {
        this.#chunks.push(chunk);
        this.#size += chunk.length;
      }),
    );
    stream.on('end', () => this.#change(() => (this.#ended = true)));
    stream.on('close', () => this.#change(() => (this.#closed = true)));
  }

  /** What the client sent as server name; false when none. */
  get serverName(): string | false | null | undefined {
    return this.stream instanceof TLSSocket ? this.stream.servername : undefined;
  }

  get ended(): boolean {
    return this.#ended || this.#closed;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Bytes received and not taken yet. */
  get unread(): Buffer {
    return this.#received;
  }

  send(payload: Payload): void {
    this.stream.write(encodeMessage(payload));
  }

  raw(bytes: Uint8Array | string): void {
    this.stream.write(bytes);
  }

  /** The next message, which must be of this kind. */
  async expect<C extends PayloadCase>(kind: C): Promise<ValueOf<C>> {
    const { payload } = await this.message();
    if (payload.case !== kind) throw new Error(`expected ${kind}, received ${payload.case}`);
    return payload.value as ValueOf<C>;
  }

  /** The next message of this kind; others before it are skipped. */
  async skipTo<C extends PayloadCase>(kind: C): Promise<ValueOf<C>> {
    for (;;) {
      const { payload } = await this.message();
      if (payload.case === kind) return payload.value as ValueOf<C>;
    }
  }

  async message(): Promise<Message> {
    const body = await this.#until('a frame', () => this.#takeFrame());
    const message = decodeMessage(body);
    if (message instanceof Error) throw message;
    return message;
  }

  async bytes(count: number): Promise<Buffer> {
    return this.#until(`${count} bytes`, () => {
      if (this.#size < count) return undefined;
      const taken = this.#received.subarray(0, count);
      this.#keep(this.#received.subarray(count));
      return taken;
    });
  }

  async text(count: number): Promise<string> {
    return (await this.bytes(count)).toString();
  }

  /** Everything up to the client's end of its output. */
  async toEnd(): Promise<Buffer> {
    return this.#until('the end', () => (this.ended ? this.#received : undefined));
  }

  /** Resolves when the client has ended or closed its side. */
  async end(): Promise<void> {
    await this.toEnd();
  }

  async proxyReq(): Promise<ProxyReq> {
    return this.expect('proxyReq');
  }

  destroy(): void {
    this.stream.destroy();
  }

  /** Laid together only when somebody looks: a bulk of small packets would be copied over and over. */
  get #received(): Buffer {
    if (this.#chunks.length !== 1) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0] ?? Buffer.alloc(0);
  }

  #keep(rest: Buffer): void {
    this.#chunks = [rest];
    this.#size = rest.length;
  }

  #takeFrame(): Buffer | undefined {
    const reader = new FrameReader();
    reader.push(this.#received);
    const body = reader.next();
    if (body instanceof Error) throw body;
    if (body !== undefined) this.#keep(reader.remainder());
    return body;
  }

  #change(apply: () => unknown): void {
    apply();
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  async #until<T>(what: string, attempt: () => T | undefined): Promise<T> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new Error(`timed out waiting for ${what}`)), patienceMs);
    try {
      for (;;) {
        const changed = this.#changed.promise;
        const value = attempt();
        if (value !== undefined) return value;
        if (this.#closed) throw new Error(`the connection closed while waiting for ${what}`);
        await Promise.race([changed, late.promise]);
      }
    } finally {
      clearTimeout(timer);
    }
  }
}
