// A way to the engine through an HTTP proxy: CONNECT, status 200 and nothing else, then bytes as they are. Credentials are
// sent once, up front; a refusal is final.

import { isIP, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { CREDENTIAL_HEADERS, MESSAGE_HEADERS } from '../common/connect-headers.ts';
import { messageOf } from '../common/errors.ts';
import { parseConnectResponse } from './connect-response.ts';
import { closeOnError } from './connection.ts';
import { RstreamError, TransportError } from './errors.ts';

export interface HttpProxySettings {
  /** `http://host:port` (port 80) or `https://host:port` (port 443), without user info. */
  readonly url: string;
  /** Both or neither. */
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** PEM; replaces the system's roots for an https proxy. */
  readonly ca?: string | undefined;
}

export interface HttpProxy {
  readonly host: string;
  readonly port: number;
  readonly secure: boolean;
  readonly ca: string | undefined;
  /** Header lines after Host, each with its line end. */
  readonly headerLines: string;
}

const headerName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const refusedHeaders = [...CREDENTIAL_HEADERS, ...MESSAGE_HEADERS];

/** Checks the settings; throws ERR_RSTREAM_INVALID_CONFIG. */
export function parseHttpProxy(settings: HttpProxySettings): HttpProxy {
  const url = URL.canParse(settings.url) ? new URL(settings.url) : undefined;
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    return refuse('the proxy must be a URL that starts with http:// or https://');
  }
  if (url.username || url.password) {
    return refuse('the proxy URL must not contain a user name or password; give them separately');
  }
  if (!url.hostname || url.pathname.length > 1 || url.search || url.hash || url.port === '0') {
    return refuse('the proxy URL must be just scheme, host and port');
  }
  const secure = url.protocol === 'https:';
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port ? Number(url.port) : secure ? 443 : 80,
    secure,
    ca: settings.ca,
    headerLines: customHeaders(settings.headers) + credentials(settings),
  };
}

/**
 * Asks the proxy, over a fresh connection to it, for a tunnel to `authority`. Resolves with the stream behind the answer,
 * with every byte of it. Rejects with TransportError ERR_RSTREAM_PROXY or the signal's reason; the connection is then gone.
 */
export async function openProxyTunnel(
  socket: Socket,
  proxy: HttpProxy,
  authority: string,
  signal: AbortSignal,
): Promise<Duplex> {
  const stream = proxy.secure ? secured(socket, proxy) : socket;
  try {
    closeOnError(stream);
    const answered = connectAnswer(stream, signal);
    stream.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${proxy.headerLines}\r\n`);
    await answered;
    return stream;
  } catch (error) {
    stream.destroy();
    socket.destroy();
    throw signal.aborted ? signal.reason : error;
  }
}

function secured(socket: Socket, { host, ca }: HttpProxy): Duplex {
  return connectTls({
    socket,
    host,
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['http/1.1'],
    ...(isIP(host) ? {} : { servername: host }),
    ...(ca === undefined ? {} : { ca }),
  });
}

/** Resolves once the proxy has said 200, with what followed its head put back. */
function connectAnswer(stream: Duplex, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    let received: Buffer = Buffer.alloc(0);
    const settle = (error?: unknown) => {
      stream.off('readable', onReadable).off('end', onEnd).off('close', onEnd).off('error', onError);
      signal.removeEventListener('abort', onAbort);
      if (error === undefined) resolve();
      else reject(error);
    };
    const onReadable = () => {
      for (let chunk = stream.read(); chunk !== null; chunk = stream.read()) {
        received = Buffer.concat([received, chunk]);
        const answer = parseConnectResponse(received);
        if (answer.kind === 'incomplete') continue;
        if (answer.kind === 'malformed')
          return settle(failure(`the proxy's answer is unusable: ${answer.why}`));
        if (answer.status !== 200)
          return settle(failure(`the proxy answered ${answer.status} ${answer.reason}`.trim()));
        const rest = received.subarray(answer.headBytes);
        if (rest.length > 0) stream.unshift(rest);
        return settle();
      }
    };
    const onEnd = () => settle(failure('the proxy closed the connection'));
    const onError = (cause: unknown) =>
      settle(failure(`reaching the proxy failed: ${messageOf(cause)}`, cause));
    const onAbort = () => settle(signal.reason);
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    stream.on('readable', onReadable).once('end', onEnd).once('close', onEnd).once('error', onError);
  });
}

function customHeaders(headers: Readonly<Record<string, string>> = {}): string {
  return Object.entries(headers)
    .map(([name, value]) => {
      if (!headerName.test(name)) refuse(`"${name}" is not a header name`);
      if (refusedHeaders.includes(name.toLowerCase())) refuse(`the proxy header ${name} cannot be set`);
      if (/[\r\n\0]/.test(value)) refuse(`the proxy header ${name} has a line break in its value`);
      return `${name}: ${value}\r\n`;
    })
    .join('');
}

function credentials({ username, password }: HttpProxySettings): string {
  if ((username === undefined) !== (password === undefined)) {
    return refuse('a proxy user name needs its password, and a password its user name');
  }
  if (username === undefined) return '';
  if (username.includes(':')) return refuse('a proxy user name cannot contain a colon');
  return `Proxy-Authorization: Basic ${Buffer.from(`${username}:${password}`).toString('base64')}\r\n`;
}

function failure(message: string, cause?: unknown): TransportError {
  return new TransportError(message, { code: 'ERR_RSTREAM_PROXY', cause });
}

function refuse(message: string): never {
  throw new RstreamError('ERR_RSTREAM_INVALID_CONFIG', message);
}
