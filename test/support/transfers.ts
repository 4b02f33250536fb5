// Bytes through sockets: sent, hashed and compared, to their very end.

import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';

/** Writes `size` random bytes under backpressure and ends; returns their hash. */
export async function sendRandom(stream: Duplex, size: number): Promise<string> {
  const hash = createHash('sha256');
  const block = randomBytes(256 * 1024 + 7);
  for (let left = size; left > 0; ) {
    const part = block.subarray(0, Math.min(left, block.length));
    hash.update(part);
    left -= part.length;
    if (!stream.write(part)) await once(stream, 'drain');
  }
  stream.end();
  return hash.digest('hex');
}

/** The hash of everything up to the end. */
export async function hashOf(stream: Duplex): Promise<string> {
  const hash = createHash('sha256');
  stream.on('data', (chunk: Buffer) => hash.update(chunk));
  stream.resume();
  await once(stream, 'end');
  return hash.digest('hex');
}

export async function textOf(stream: Duplex): Promise<string> {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  stream.resume();
  await once(stream, 'end');
  return Buffer.concat(chunks).toString();
}

/** Sends a text and its end, and returns the whole answer. */
export async function roundTrip(stream: Duplex, text: string): Promise<string> {
  stream.end(text);
  return textOf(stream);
}

/** However it comes about. */
export function closed(stream: Duplex): Promise<void> {
  if (stream.closed) return Promise.resolve();
  return new Promise((resolve) => stream.once('close', () => resolve()));
}

/** Until the other side has ended or broken off; what it still sends is thrown away. */
export async function gone(stream: Duplex): Promise<void> {
  const ended = new Promise((resolve) => stream.once('end', resolve));
  stream.resume();
  if (!stream.readableEnded) await Promise.race([ended, closed(stream)]);
  stream.destroy();
}
