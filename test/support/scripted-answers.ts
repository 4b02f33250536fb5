// What a scripted API server can answer: lists, watches, errors, and every way of breaking off.

import type { Answer } from './scripted-apiserver.ts';

export interface ScriptedObject {
  readonly metadata: {
    readonly name: string;
    readonly resourceVersion: string;
    readonly [key: string]: unknown;
  };
  readonly [key: string]: unknown;
}

/** A ConfigMap in namespace default; its uid follows from its name unless given. */
export function object(name: string, resourceVersion: string | number, more: object = {}): ScriptedObject {
  const metadata = {
    name,
    namespace: 'default',
    uid: `uid-${name}`,
    resourceVersion: `${resourceVersion}`,
    ...more,
  };
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata };
}

export function json(status: number, body: unknown, headers: Record<string, string> = {}): Answer {
  return (response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(body));
  };
}

export function text(status: number, body: string, headers: Record<string, string> = {}): Answer {
  return (response) => {
    response.writeHead(status, { 'content-type': 'text/plain', ...headers });
    response.end(body);
  };
}

export function list(
  resourceVersion: string | number,
  items: readonly ScriptedObject[] | null,
  continueToken?: string,
): Answer {
  const metadata = { resourceVersion: `${resourceVersion}`, continue: continueToken };
  return json(200, { apiVersion: 'v1', kind: 'ConfigMapList', metadata, items });
}

/** A metav1.Status with the headers the API server would send. */
export function status(
  code: number,
  reason: string,
  more: { message?: string; retryAfter?: number } = {},
): Answer {
  return json(
    code,
    statusBody(code, reason, more.message),
    more.retryAfter === undefined ? {} : { 'retry-after': `${more.retryAfter}` },
  );
}

export const gone = status(410, 'Expired', { message: 'too old resource version' });

export function statusBody(code: number, reason: string, message = `scripted ${code}`): object {
  return { apiVersion: 'v1', kind: 'Status', metadata: {}, status: 'Failure', message, reason, code };
}

/** A watch event as one line. */
export function line(type: 'ADDED' | 'MODIFIED' | 'DELETED', object: ScriptedObject): string {
  return `${JSON.stringify({ type, object })}\n`;
}

export function bookmark(resourceVersion: string | number): string {
  const metadata = { resourceVersion: `${resourceVersion}` };
  return `${JSON.stringify({ type: 'BOOKMARK', object: { kind: 'ConfigMap', apiVersion: 'v1', metadata } })}\n`;
}

export function errorLine(code: number, reason: string): string {
  return `${JSON.stringify({ type: 'ERROR', object: statusBody(code, reason) })}\n`;
}

/** Sends the lines and leaves the watch open. */
export function watch(...lines: readonly string[]): Answer {
  return (response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    for (const one of lines) response.write(one);
  };
}

/** Sends the lines and closes the watch properly. */
export function closedWatch(...lines: readonly string[]): Answer {
  return (response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(lines.join(''));
  };
}

/** Sends the lines, then resets the connection. */
export function brokenWatch(...lines: readonly string[]): Answer {
  return (response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    response.write(lines.join(''), () => setImmediate(() => response.socket?.destroy()));
  };
}

/** Closes the connection without a word. */
export const reset: Answer = (response) => {
  response.socket?.destroy();
};

/** Never answers. */
export const silence: Answer = () => {};

export const garbage = text(200, '<html>a proxy speaks</html>');

/** An answer whose body ends before it is complete. */
export const truncated: Answer = (response) => {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
  response.write('{"kind":"ConfigMapList","items":[', () => setImmediate(() => response.socket?.destroy()));
};
