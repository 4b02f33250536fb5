// A private dialler: connects to a tunnel by id or name through the engine, as an SDK's `dial` does. Only tests need one.

import { systemClock } from '../../src/common/clock.ts';
import { clientDetails } from '../../src/rstream/client-details.ts';
import { withDeadline } from '../../src/rstream/deadline.ts';
import type { EngineAddress } from '../../src/rstream/engine-address.ts';
import { ProtocolError, RstreamError } from '../../src/rstream/errors.ts';
import { receiveMessage } from '../../src/rstream/handshake.ts';
import { encodeMessage, engineError } from '../../src/rstream/messages.ts';
import type { EngineConnection, Transport } from '../../src/rstream/transport.ts';

export interface DialOptions {
  readonly engine: EngineAddress;
  readonly transport: Transport;
  readonly token?: string | undefined;
  /** Id or name of the tunnel. */
  readonly tunnel: string;
  /** Default true: no answer is waited for. */
  readonly zeroRtt?: boolean;
  readonly datagramChannel?: boolean;
  /** Default 10 000 ms. */
  readonly timeoutMs?: number;
}

export interface Dialled {
  readonly connection: EngineConnection;
  /** What the engine called the stream; undefined with zero RTT. */
  readonly streamId: string | undefined;
}

/** Rejects with EngineError, ProtocolError, OperationTimeoutError or TransportError; the connection is then closed. */
export async function dial(options: DialOptions): Promise<Dialled> {
  const target = options.tunnel.trim();
  if (target === '') throw new RstreamError('ERR_RSTREAM_INVALID_TUNNEL', 'name the tunnel to dial');
  const deadline = {
    clock: systemClock,
    timeoutMs: options.timeoutMs ?? 30_000,
    what: 'dialling the tunnel',
  };
  return withDeadline(deadline, async (signal) => {
    const connection = await options.transport.connect({ engine: options.engine }, signal);
    try {
      return { connection, streamId: await introduce(options, target, connection, signal) };
    } catch (error) {
      connection.stream.destroy();
      throw error;
    }
  });
}

async function introduce(
  { token, zeroRtt = true, datagramChannel }: DialOptions,
  tunnelIdName: string,
  { stream }: EngineConnection,
  signal: AbortSignal,
): Promise<string | undefined> {
  const details = clientDetails('test', token);
  const channel = datagramChannel === undefined ? {} : { datagramChannel };
  stream.write(
    encodeMessage({
      case: 'streamReq',
      value: { clientDetails: details, tunnelIdName, zeroRtt, ...channel },
    }),
  );
  if (zeroRtt) return undefined;

  const { payload } = await receiveMessage(stream, signal);
  const result = payload.case === 'streamRsp' ? payload.value.payload : undefined;
  if (result?.case === 'error') throw engineError(result.value);
  if (result?.case !== 'streamId')
    throw new ProtocolError('the engine did not answer a stream request as one');
  return result.value;
}
