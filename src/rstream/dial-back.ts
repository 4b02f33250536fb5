// One dial-back: connect to the engine (or the endpoint it names), say which stream this is, take the engine's answer when
// one was asked for, and return the connection ready for payload.

import { create } from '@bufbuild/protobuf';
import { type ProxyConnReq, ProxyReqSchema } from '../../generated/protobuf/rstream_pb.js';
import type { Clock } from '../common/clock.ts';
import { clientDetails } from './client-details.ts';
import { withDeadline } from './deadline.ts';
import { type EngineAddress, parseEngineAddress } from './engine-address.ts';
import { OperationTimeoutError, ProtocolError, RstreamError } from './errors.ts';
import { receiveMessage } from './handshake.ts';
import { encodeMessage, engineError } from './messages.ts';
import type { ConnectTarget, EngineConnection, Transport } from './transport.ts';

export interface DialBackContext {
  readonly engine: EngineAddress;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly version: string;
  readonly zeroRtt: boolean;
  readonly dialBackMs: number;
}

/** Rejects with an RstreamError; nothing is connected when the request itself cannot be obeyed. */
export async function dialBack(
  context: DialBackContext,
  request: ProxyConnReq,
  signal: AbortSignal,
): Promise<EngineConnection> {
  const target = dialBackTarget(context.engine, request);
  try {
    return await attempt(context, target, request, signal);
  } catch (error) {
    // A connection that timed out before the secret was spent may be tried once more.
    if (!(error instanceof ConnectTimeout) || signal.aborted) throw error;
    return await attempt(context, target, request, signal);
  }
}

/** Where to dial; throws when a redirect lacks its endpoint or the credentials that go with it. */
export function dialBackTarget(engine: EngineAddress, request: ProxyConnReq): ConnectTarget {
  if (request.proxyEndpoint === undefined) return { engine };
  if (!request.secret?.trim()) {
    throw new RstreamError('ERR_RSTREAM_AUTH_REQUIRED', 'a redirected stream came without credentials');
  }
  return { engine: parseEngineAddress(request.proxyEndpoint), redirected: true };
}

class ConnectTimeout extends OperationTimeoutError {}

async function attempt(
  context: DialBackContext,
  target: ConnectTarget,
  request: ProxyConnReq,
  signal: AbortSignal,
): Promise<EngineConnection> {
  const { clock, dialBackMs: timeoutMs } = context;
  let connection: EngineConnection | undefined;
  const work = async (inTime: AbortSignal) => {
    connection = await context.transport.connect(target, inTime);
    await introduce(context, connection, request, inTime);
    return connection;
  };

  try {
    return await withDeadline({ clock, timeoutMs, what: 'dialling back', signal }, work);
  } catch (error) {
    connection?.stream.destroy();
    if (error instanceof OperationTimeoutError && !connection)
      throw new ConnectTimeout('dialling back', timeoutMs);
    throw error;
  }
}

async function introduce(
  { version, zeroRtt }: DialBackContext,
  { stream }: EngineConnection,
  request: ProxyConnReq,
  signal: AbortSignal,
): Promise<void> {
  const value = create(ProxyReqSchema, {
    clientDetails: clientDetails(version, request.secret),
    streamId: request.streamId,
    zeroRtt,
  });
  stream.write(encodeMessage({ case: 'proxyReq', value }));
  if (zeroRtt) {
    // What is written during a handshake leaves when this turn is over: the engine works while we go on.
    await new Promise((resolve) => setImmediate(resolve));
    return;
  }

  const { payload } = await receiveMessage(stream, signal);
  if (payload.case !== 'proxyRsp')
    throw new ProtocolError('the engine did not answer a proxy request as one');
  if (payload.value.error) throw engineError(payload.value.error);
}
