// Reads the server name and the ALPN list out of a TLS ClientHello without consuming it: what the edge routes by before
// any handshake. Bounded: a hello over 64 KiB, or anything that is not one, is refused.

export interface ClientHello {
  /** Lower-case server name; undefined when the client sent none. */
  readonly serverName: string | undefined;
  readonly alpn: readonly string[];
}

/** `more`: not complete yet; `invalid`: not a ClientHello, or over the bound. */
export type HelloResult = ClientHello | 'more' | 'invalid';

export const MAX_HELLO_BYTES = 65_536;

/** Parses what a TLS client sent first; RFC 8446 section 4.1.2, records of RFC 8446 section 5.1. */
export function parseClientHello(bytes: Buffer): HelloResult {
  const handshake = joinRecords(bytes);
  if (typeof handshake === 'string') return handshake;
  return parseHandshake(handshake);
}

/** Parses a ClientHello handshake message (type, 3-byte length, body) that is already free of its records. */
function parseHandshake(handshake: Buffer): HelloResult {
  if (handshake.length < 4) return 'more';
  if (handshake[0] !== 1) return 'invalid';
  const length = handshake.readUIntBE(1, 3);
  if (length > MAX_HELLO_BYTES) return 'invalid';
  if (handshake.length < 4 + length) return 'more';

  try {
    return readHello(new Cursor(handshake.subarray(4, 4 + length)));
  } catch (error) {
    if (error instanceof RangeError) return 'invalid';
    throw error;
  }
}

/** The handshake bytes of the records so far; a hello may span several. */
function joinRecords(bytes: Buffer): Buffer | 'more' | 'invalid' {
  const parts: Buffer[] = [];
  let offset = 0;
  while (offset + 5 <= bytes.length) {
    if (bytes[offset] !== 22 || bytes[offset + 1] !== 3) return 'invalid';
    const length = bytes.readUInt16BE(offset + 3);
    if (length === 0 || length > 16_640) return 'invalid';
    parts.push(bytes.subarray(offset + 5, offset + 5 + length));
    offset += 5 + length;
  }
  if (parts.length === 0 && bytes.length > 0 && bytes[0] !== 22) return 'invalid';

  const handshake = Buffer.concat(parts);
  const complete = handshake.length >= 4 && handshake.length >= 4 + handshake.readUIntBE(1, 3);
  if (!complete && bytes.length > MAX_HELLO_BYTES) return 'invalid';
  return handshake;
}

/**
 * The server name in the first datagram of a DTLS client (RFC 6347 section 4.2), undefined when it is none or names nobody. A
 * hello in fragments counts when its first one holds the name.
 */
export function parseDtlsHello(datagram: Buffer): string | undefined {
  const fragment = 13 + 12;
  if (datagram.length < fragment || datagram[0] !== 22 || datagram[1] !== 0xfe || datagram[13] !== 1)
    return undefined;
  const found: { serverName?: string | undefined } = {};
  try {
    const hello = new Cursor(datagram.subarray(fragment));
    hello.skip(2 + 32);
    hello.vector(1);
    hello.vector(1);
    readExtensions(hello, found);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return found.serverName;
}

function readHello(hello: Cursor): ClientHello {
  hello.skip(2 + 32);
  hello.vector(1);
  const found: { serverName?: string | undefined; alpn?: string[] } = {};
  readExtensions(hello, found);
  return { serverName: found.serverName, alpn: found.alpn ?? [] };
}

/** From the cipher suites on; what was read before an early end stays in `found`. */
function readExtensions(hello: Cursor, found: { serverName?: string | undefined; alpn?: string[] }): void {
  hello.vector(2);
  hello.vector(1);
  if (hello.done) return;
  const extensions = hello.openVector(2);
  while (!extensions.done) {
    const type = extensions.uint(2);
    const body = extensions.vector(2);
    if (type === 0) found.serverName = readServerName(body);
    if (type === 16) found.alpn = readAlpn(body);
  }
  if (extensions.cutShort) throw new RangeError('the ClientHello ends early');
}

function readServerName(body: Cursor): string | undefined {
  const list = body.vector(2);
  while (!list.done) {
    const type = list.uint(1);
    const name = list.vector(2).text();
    if (type === 0) return name.toLowerCase().replace(/\.$/, '');
  }
  return undefined;
}

function readAlpn(body: Cursor): string[] {
  const list = body.vector(2);
  const names: string[] = [];
  while (!list.done) names.push(list.vector(1).text());
  return names;
}

/** Reads big-endian integers and length-prefixed vectors; RangeError past the end. */
class Cursor {
  readonly #bytes: Buffer;
  #at = 0;
  cutShort = false;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  skip(count: number): void {
    this.#take(count);
  }

  uint(size: number): number {
    return this.#take(size).readUIntBE(0, size);
  }

  vector(lengthSize: number): Cursor {
    return new Cursor(this.#take(this.uint(lengthSize)));
  }

  /** A vector that may end before its length says so, which `cutShort` then tells. */
  openVector(lengthSize: number): Cursor {
    const length = this.uint(lengthSize);
    const there = Math.min(length, this.#bytes.length - this.#at);
    const vector = new Cursor(this.#take(there));
    vector.cutShort = there < length;
    return vector;
  }

  text(): string {
    return this.#bytes.toString('latin1');
  }

  #take(count: number): Buffer {
    if (this.#at + count > this.#bytes.length) throw new RangeError('the ClientHello ends early');
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }
}
