// The head of a proxy's answer to CONNECT: its status, and where the tunnel's own bytes begin. Bounded, and strict about what
// it takes for HTTP.

/** A head longer than this is refused. */
export const MAX_CONNECT_HEAD_BYTES = 16 * 1024;

export type ConnectResponse =
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'malformed'; readonly why: string }
  | {
      readonly kind: 'complete';
      readonly status: number;
      readonly reason: string;
      readonly headBytes: number;
    };

const statusLine = /^HTTP\/1\.[01] ([1-5][0-9]{2})(?: ([^\r\n]*))?$/;

/** Looks at everything received so far. Never throws. */
export function parseConnectResponse(received: Buffer): ConnectResponse {
  const end = received.subarray(0, MAX_CONNECT_HEAD_BYTES).indexOf('\r\n\r\n');
  if (end < 0) {
    if (received.length >= MAX_CONNECT_HEAD_BYTES) return malformed('its head is too long');
    return looksLikeHttp(received) ? { kind: 'incomplete' } : malformed('it is not HTTP');
  }
  const [first = ''] = received.toString('latin1', 0, end).split('\r\n', 1);
  const match = statusLine.exec(first);
  if (!match) return malformed('it is not HTTP/1.1');
  return {
    kind: 'complete',
    status: Number(match[1]),
    reason: printable(match[2] ?? ''),
    headBytes: end + 4,
  };
}

function looksLikeHttp(received: Buffer): boolean {
  const start = 'HTTP/1.';
  const seen = received.toString('latin1', 0, start.length);
  return start.startsWith(seen);
}

/** A proxy's words end in logs and conditions: short and plain. */
function printable(reason: string): string {
  return reason.replace(/[^\x20-\x7e]/g, '?').slice(0, 100);
}

function malformed(why: string): ConnectResponse {
  return { kind: 'malformed', why };
}
