// A private dialler: connects to a tunnel by id or name through the engine, as an SDK's `dial` does. Only tests need one.

import type { Duplex } from 'node:stream';
import { systemClock } from '../../src/common/clock.ts';
import { clientDetails } from '../../src/rstream/client-details.ts';
import { withDeadline } from '../../src/rstream/deadline.ts';
import type { EngineAddress } from '../../src/rstream/engine-address.ts';
import { EngineError, ProtocolError, RstreamError } from '../../src/rstream/errors.ts';
import { FrameReader } from '../../src/rstream/frame.ts';
import { FramedPackets } from '../../src/rstream/framed-packets.ts';
import { receiveMessage } from '../../src/rstream/handshake.ts';
import { decodeMessage, encodeMessage, engineError } from '../../src/rstream/messages.ts';
import type { PacketChannel } from '../../src/rstream/packet-channel.ts';
import { channelId } from '../../src/rstream/proxied-streams.ts';
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

/**
 * Dials a datagram tunnel: in DATAGRAM frames where the connection has them and the engine agrees, else framed. Rejects as
 * `dial` does.
 */
export async function dialPackets(
  options: Omit<DialOptions, 'zeroRtt' | 'datagramChannel'>,
): Promise<{ readonly packets: PacketChannel; readonly kind: 'datagrams' | 'framed' }> {
  const channel = await dial({ ...options, zeroRtt: false, datagramChannel: true }).catch((error) => {
    if (!(error instanceof EngineError)) throw error;
    return undefined;
  });
  const { streamId = '', connection } = channel ?? {};
  if (connection?.datagrams && streamId !== '') {
    const packets = connection.datagrams.open(channelId(streamId));
    followLifetime(connection.stream, streamId, packets);
    return { packets, kind: 'datagrams' };
  }
  connection?.stream.destroy();
  const framed = await dial({ ...options, zeroRtt: false });
  return { packets: new FramedPackets(framed.connection.stream), kind: 'framed' };
}

/** The stream a channel was dialled on says how long it lives. */
function followLifetime(stream: Duplex, streamId: string, packets: PacketChannel): void {
  const reader = new FrameReader();
  stream.on('data', (chunk: Buffer) => {
    reader.push(chunk);
    for (let body = reader.next(); body !== undefined; body = reader.next()) {
      const message = body instanceof Error ? body : decodeMessage(body);
      if (message instanceof Error) return void stream.destroy();
      const { payload } = message;
      if (payload.case === 'datagramChannelClose' && payload.value.streamId === streamId) packets.close();
    }
  });
  stream.once('end', () => packets.close()).once('close', () => packets.close());
  packets.closed.then(() => stream.destroy());
  stream.resume();
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
