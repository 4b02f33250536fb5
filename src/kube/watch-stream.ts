// Reads one watch: newline-separated JSON, each line bounded, with a watchdog on silence. Ends when the server closes the
// watch between two lines; everything else (half a line, garbage, an ERROR event, silence) is thrown.

import type { IncomingMessage } from 'node:http';
import { StringDecoder } from 'node:string_decoder';
import type { Clock } from '../common/clock.ts';
import { messageOf } from '../common/errors.ts';
import { decodeWatchEvent, errorOf, type WatchEvent } from './decode.ts';
import { KubeError, kubeErrorCodes } from './errors.ts';
import type { KubeObject } from './object.ts';
import { type Resource, resourceName } from './resource.ts';

/** Larger than any object the API server stores (etcd's limit is 1.5 MiB, and JSON escapes grow it). */
const maxLineLength = 16 * 1024 * 1024;
const maxErrorBytes = 64 * 1024;

export interface ReadWatchOptions {
  readonly silenceMs: number;
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

/** The events of an answer to a watch request. Leaving the loop early destroys the connection. */
export async function* readWatch<T extends KubeObject>(
  resource: Resource<T>,
  message: IncomingMessage,
  options: ReadWatchOptions,
): AsyncGenerator<WatchEvent<T>> {
  const what = `the watch of ${resourceName(resource)}`;
  const guard = guardSilence(message, what, options);
  try {
    if (message.statusCode !== 200) throw await rejection(message);
    for await (const line of lines(message, what, guard.heard)) yield decodeWatchEvent(resource, line);
  } catch (error) {
    if (options.signal.aborted) throw options.signal.reason;
    if (guard.failure) throw guard.failure;
    if (error instanceof KubeError) throw error;
    throw new KubeError(kubeErrorCodes.connection, `${what}: ${messageOf(error)}`, { cause: error });
  } finally {
    guard.stop();
    message.destroy();
  }
}

interface SilenceGuard {
  readonly failure: KubeError | undefined;
  heard(): void;
  stop(): void;
}

function guardSilence(message: IncomingMessage, what: string, options: ReadWatchOptions): SilenceGuard {
  const { clock, silenceMs, signal } = options;
  let failure: KubeError | undefined;
  let heardAt = clock.now();

  const expired = () => {
    const leftMs = heardAt + silenceMs - clock.now();
    if (leftMs > 0) {
      timer = clock.after(leftMs, expired);
      return;
    }
    failure = new KubeError(kubeErrorCodes.timeout, `${what} received nothing for ${silenceMs} ms`);
    message.destroy(failure);
  };
  let timer = clock.after(silenceMs, expired);
  const onAbort = () => message.destroy();
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();

  return {
    get failure() {
      return failure;
    },
    heard: () => {
      heardAt = clock.now();
    },
    stop: () => {
      timer.cancel();
      signal.removeEventListener('abort', onAbort);
    },
  };
}

async function* lines(message: IncomingMessage, what: string, heard: () => void): AsyncGenerator<string> {
  const decoder = new StringDecoder('utf8');
  let parts: string[] = [];
  let length = 0;

  for await (const chunk of message) {
    heard();
    let text = decoder.write(chunk);
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
      parts.push(text.slice(0, end));
      const line = parts.join('').trim();
      text = text.slice(end + 1);
      parts = [];
      length = 0;
      if (line !== '') yield line;
    }
    length += text.length;
    if (length > maxLineLength) {
      throw new KubeError(
        kubeErrorCodes.protocol,
        `${what}: a line is longer than ${maxLineLength} characters`,
      );
    }
    if (text !== '') parts.push(text);
  }
  if (parts.join('').trim() !== '') {
    throw new KubeError(kubeErrorCodes.protocol, `${what} ended in the middle of an event`);
  }
}

async function rejection(message: IncomingMessage): Promise<KubeError> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of message) {
    if (!Buffer.isBuffer(chunk)) continue;
    size += chunk.length;
    chunks.push(chunk);
    if (size > maxErrorBytes) break;
  }
  const body = Buffer.concat(chunks).subarray(0, maxErrorBytes);
  return errorOf({ status: message.statusCode ?? 0, retryAfter: message.headers['retry-after'], body });
}
