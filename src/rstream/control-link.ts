// The framed side of a control connection: whole messages out, one message at a time in, and one report of how it ended.
// Input stops while the engine does not read our answers, so that nothing it sends can make us hold more than a bound.

import type { Duplex } from 'node:stream';
import type { Message } from '../../generated/protobuf/rstream_pb.js';
import type { Clock } from '../common/clock.ts';
import { FrameTooLargeError, ProtocolError, type RstreamError, TransportError } from './errors.ts';
import { FrameReader } from './frame.ts';
import { decodeMessage, encodeMessage, type Payload } from './messages.ts';

/** Unwritten answers above which no more requests are read. */
const maxUnwrittenBytes = 256 * 1024;
/** How long the last words may take. */
const farewellMs = 1_000;

export interface ControlLinkHandlers {
  /** Every frame, empty and unknown ones included; a returned error ends the link. */
  readonly message: (message: Message) => ProtocolError | undefined;
  /** Called once, unless `close` came first: soft for a broken connection, hard for a broken protocol. */
  readonly failed: (kind: 'soft' | 'hard', error: RstreamError) => void;
}

export class ControlLink {
  readonly #stream: Duplex;
  readonly #clock: Clock;
  readonly #handlers: ControlLinkHandlers;
  readonly #reader = new FrameReader();
  #closed = false;
  #batching = false;

  constructor(stream: Duplex, clock: Clock, handlers: ControlLinkHandlers) {
    this.#stream = stream;
    this.#clock = clock;
    this.#handlers = handlers;
  }

  /** Begins reading. */
  start(): void {
    const stream = this.#stream;
    stream.on('data', (chunk: Buffer) => this.#receive(chunk));
    stream.once('end', () => this.#fail('soft', this.#broken('the engine closed the control connection')));
    stream.once('close', () => this.#fail('soft', this.#broken('the control connection was lost')));
    if (stream.destroyed) this.#fail('soft', this.#broken('the control connection was lost'));
  }

  /** Throws FrameTooLargeError, with nothing written; after the end it does nothing. */
  send(payload: Payload, written?: () => void): void {
    const frame = encodeMessage(payload);
    if (this.#closed || this.#stream.destroyed) return;
    this.#batch();
    this.#stream.write(frame, (error) => {
      if (!error) written?.();
    });
  }

  /** Stops reading, lets what was sent go out, and closes. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const stream = this.#stream;
    const timer = this.#clock.after(farewellMs, () => stream.destroy(), { unref: true });
    stream.once('close', () => timer.cancel());
    stream.resume();
    stream.end(() => stream.destroy());
  }

  /** What is sent in one turn leaves together, at its end. */
  #batch(): void {
    if (this.#batching) return;
    this.#batching = true;
    this.#stream.cork();
    setImmediate(() => {
      this.#batching = false;
      this.#stream.uncork();
    });
  }

  #receive(chunk: Buffer): void {
    if (this.#closed) return;
    this.#reader.push(chunk);
    for (;;) {
      const body = this.#reader.next();
      if (body === undefined) break;
      const error = body instanceof FrameTooLargeError ? body : this.#handle(body);
      if (error) this.#fail('hard', error);
      if (this.#closed) return;
    }
    this.#holdBack();
  }

  #handle(body: Buffer): ProtocolError | undefined {
    const message = decodeMessage(body);
    return message instanceof ProtocolError ? message : this.#handlers.message(message);
  }

  #holdBack(): void {
    if (this.#stream.writableLength < maxUnwrittenBytes) return;
    this.#stream.pause();
    this.#stream.once('drain', () => this.#stream.resume());
  }

  #broken(what: string): TransportError {
    const where = this.#reader.atBoundary ? '' : ' in the middle of a frame';
    return new TransportError(`${what}${where}`, { cause: this.#stream.errored ?? undefined });
  }

  #fail(kind: 'soft' | 'hard', error: RstreamError): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stream.destroy();
    this.#handlers.failed(kind, error);
  }
}
