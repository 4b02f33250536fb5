// Dialling the Service a tunnel publishes, with a deadline, and remembering whether it can be reached.

import { connect, type Socket } from 'node:net';
import type { Clock } from '../common/clock.ts';
import { codeOf, messageOf } from '../common/errors.ts';
import { closeOnError, SocketReader } from '../rstream/connection.ts';
import type { ByteSink } from '../rstream/transport.ts';
import { AgentError } from './errors.ts';

export interface TargetAddress {
  readonly host: string;
  readonly port: number;
}

export interface DialOptions {
  readonly target: TargetAddress;
  /** Takes what the target sends, from the first byte on. */
  readonly sink: ByteSink;
  readonly clock: Clock;
  /** Name resolution and TCP together. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

const keepAliveMs = 30_000;

/** A connected socket, half-open, with an error listener. Rejects with ERR_AGENT_TARGET or the signal's reason. */
export function dialTarget(options: DialOptions): Promise<Socket> {
  const { target, sink, clock, timeoutMs, signal } = options;
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const reader = new SocketReader();
    reader.readInto(sink);
    const socket = connect({
      ...target,
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: keepAliveMs,
      onread: reader.onread,
    });
    reader.attach(socket);
    const settle = (error?: unknown) => {
      timer.cancel();
      signal.removeEventListener('abort', onAbort);
      socket.off('connect', onConnect).off('error', onError);
      if (error === undefined) return resolve(socket);
      socket.destroy();
      reject(error);
    };
    const onConnect = () => settle();
    const onError = (error: Error) => settle(unreachable(target, error));
    const onAbort = () => settle(signal.reason);
    const timer = clock.after(timeoutMs, () =>
      settle(unreachable(target, new Error(`no answer within ${timeoutMs} ms`))),
    );
    signal.addEventListener('abort', onAbort, { once: true });
    closeOnError(socket);
    socket.once('connect', onConnect).once('error', onError);
  });
}

/** ERR_AGENT_TARGET with address and cause. */
export function unreachable({ host, port }: TargetAddress, cause: unknown): AgentError {
  const name = host.includes(':') ? `[${host}]` : host;
  const text = codeOf(cause) === 'ENOTFOUND' ? 'the name does not exist' : messageOf(cause);
  return new AgentError('ERR_AGENT_TARGET', `${name}:${port} could not be reached: ${text}`, { cause });
}
