// The first message on a connection: reads exactly one frame and leaves every byte behind it in the stream, paused, for
// whoever takes the connection over.

import type { Duplex } from 'node:stream';
import type { Message } from '../../generated/protobuf/rstream_pb.js';
import { FrameTooLargeError, TransportError } from './errors.ts';
import { FrameReader } from './frame.ts';
import { decodeMessage } from './messages.ts';

/**
 * Rejects with TransportError when the stream ends first, FrameTooLargeError, ProtocolError, or the signal's reason. The
 * stream must have an error listener and no reader.
 */
export function receiveMessage(stream: Duplex, signal: AbortSignal): Promise<Message> {
  return new Promise((resolve, reject) => {
    const reader = new FrameReader();

    const settle = (outcome: Message | Error) => {
      stream.off('readable', onReadable).off('end', onEnd).off('close', onEnd);
      signal.removeEventListener('abort', onAbort);
      if (outcome instanceof Error) reject(outcome);
      else resolve(outcome);
    };
    const onReadable = () => {
      for (let chunk = stream.read(); chunk !== null; chunk = stream.read()) {
        reader.push(chunk);
        const body = reader.next();
        if (body === undefined) continue;
        if (body instanceof FrameTooLargeError) return settle(body);
        const rest = reader.remainder();
        if (rest.length > 0) stream.unshift(rest);
        return settle(decodeMessage(body));
      }
    };
    const onEnd = () => {
      const where = reader.atBoundary ? 'before its answer' : 'in the middle of a frame';
      settle(new TransportError(`the connection ended ${where}`, { cause: stream.errored ?? undefined }));
    };
    const onAbort = () => settle(signal.reason);

    if (signal.aborted) return reject(signal.reason);
    if (stream.destroyed || stream.readableEnded) return onEnd();
    signal.addEventListener('abort', onAbort, { once: true });
    stream.on('readable', onReadable).once('end', onEnd).once('close', onEnd);
  });
}
