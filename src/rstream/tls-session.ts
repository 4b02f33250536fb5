// What is kept of a TLS session to resume it: the ticket and its secret, but not the engine's certificate. Whoever holds the
// secret is the engine whose certificate was verified in the full handshake, nothing looks at the certificate again, and OpenSSL
// would parse it for every dial-back.

const sequence = 0x30;
const longLength = 0x82;
const integer = 0x02;
/** `peer` in OpenSSL's SSL_SESSION_ASN1: ssl/ssl_asn1.c. */
const peerCertificate = 0xa3;
const tls13 = 0x0304;

interface Element {
  readonly tag: number;
  readonly from: number;
  readonly to: number;
}

/**
 * The session, as the `session` event has it, with less in it; or the session itself when it is of TLS 1.2, where Node insists
 * on a certificate, or not what we know.
 */
export function withoutCertificate(session: Buffer): Buffer {
  // The session's DER comes last; what Node puts before it is text.
  const start = session.indexOf(Buffer.of(sequence, longLength));
  if (
    start < 0 ||
    session.length < start + 4 ||
    start + 4 + session.readUInt16BE(start + 2) !== session.length
  ) {
    return session;
  }
  const elements = elementsOf(session, start + 4);
  const [, version] = elements;
  if (version?.tag !== integer || session.readUInt16BE(version.to - 2) !== tls13) return session;

  const kept = elements.filter(({ tag }) => tag !== peerCertificate);
  const body = Buffer.concat(kept.map(({ from, to }) => session.subarray(from, to)));
  const head = Buffer.from(session.subarray(0, start + 4));
  head.writeUInt16BE(body.length, start + 2);
  return Buffer.concat([head, body]);
}

/** Empty when the bytes do not end with an element. */
function elementsOf(bytes: Buffer, start: number): readonly Element[] {
  const elements: Element[] = [];
  let from = start;
  while (from + 2 <= bytes.length) {
    const first = bytes.readUInt8(from + 1);
    const lengthBytes = first < 0x80 ? 0 : first - 0x80;
    if (lengthBytes > 2 || from + 2 + lengthBytes > bytes.length) return [];
    const length = lengthBytes === 0 ? first : bytes.readUIntBE(from + 2, lengthBytes);
    const to = from + 2 + lengthBytes + length;
    elements.push({ tag: bytes.readUInt8(from), from, to });
    from = to;
  }
  return from === bytes.length ? elements : [];
}
