// Protocol messages on a Node stream: one first message with everything behind it left in the stream, or all messages of a
// control connection. Nothing throws out of a listener; a peer that does not read is cut off.

import type { Duplex } from 'node:stream';
import type { Message } from '../../generated/protobuf/rstream_pb.js';
import type { Clock } from '../common/clock.ts';
import { TransportError } from '../rstream/errors.ts';
import { FrameReader } from '../rstream/frame.ts';
import { decodeMessage, encodeMessage, type Payload } from '../rstream/messages.ts';

/** A control connection whose client leaves more than this unread is closed. */
const maxUnsentBytes = 1 << 20;

/**
 * Reads one message within `timeoutMs` and leaves the stream paused, what followed the frame put back. Resolves with an
 * error instead of rejecting: oversize or unparsable frame, end of input, timeout.
 */
export function readFirstMessage(stream: Duplex, clock: Clock, timeoutMs: number): Promise<Message | Error> {
  return new Promise((resolve) => {
    const reader = new FrameReader();
    const finish = (result: Message | Error) => {
      timer.cancel();
      stream.off('data', onData).off('end', onEnd).off('close', onEnd);
      stream.pause();
      const rest = reader.remainder();
      if (rest.length > 0 && !(result instanceof Error)) stream.unshift(rest);
      resolve(result);
    };
    const onEnd = () => finish(new TransportError('the connection ended before its first message'));
    const onData = (chunk: Buffer) => {
      reader.push(chunk);
      const body = reader.next();
      if (body === undefined) return;
      finish(body instanceof Error ? body : decodeMessage(body));
    };
    const timer = clock.after(timeoutMs, () => finish(new TransportError('no message came in time')));
    stream.on('data', onData).on('end', onEnd).on('close', onEnd);
    stream.resume();
  });
}

/** Calls `onMessage` for each message, then `onEnd` once, with the cause unless the input simply ended. */
export function readMessages(
  stream: Duplex,
  onMessage: (message: Message) => void,
  onEnd: (cause?: Error) => void,
): void {
  const reader = new FrameReader();
  let ended = false;
  const end = (cause?: Error) => {
    if (ended) return;
    ended = true;
    onEnd(cause);
  };

  stream.on('data', (chunk: Buffer) => {
    reader.push(chunk);
    for (let body = reader.next(); body !== undefined && !ended; body = reader.next()) {
      if (body instanceof Error) return end(body);
      const message = decodeMessage(body);
      if (message instanceof Error) return end(message);
      onMessage(message);
    }
  });
  stream.on('end', () => end(reader.atBoundary ? undefined : new TransportError('a frame ended early')));
  stream.on('close', () => end());
  stream.on('error', (error) => end(error));
  stream.resume();
}

/** Writes one message; false when the stream is gone or its peer does not read, in which case it is destroyed. */
export function writeMessage(stream: Duplex, payload: Payload): boolean {
  if (stream.destroyed || stream.writableEnded) return false;
  if (stream.writableLength > maxUnsentBytes) {
    stream.destroy(new TransportError('the client does not read its control connection'));
    return false;
  }
  stream.write(encodeMessage(payload));
  return true;
}
