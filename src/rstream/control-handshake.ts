// Opening a control channel: local checks, the connection, the request, and what the engine's answer makes of it.

import { create } from '@bufbuild/protobuf';
import {
  type Message,
  OpenControlChannelReqSchema,
  type OpenControlChannelRsp_Ok,
} from '../../generated/protobuf/rstream_pb.js';
import { systemClock } from '../common/clock.ts';
import { clientDetails } from './client-details.ts';
import type { ClientLimits, ClientTimeouts, ControlChannelOptions } from './client-types.ts';
import { withDeadline } from './deadline.ts';
import { ClientClosedError, ProtocolError, RstreamError } from './errors.ts';
import { receiveMessage } from './handshake.ts';
import {
  checkHeartbeatInterval,
  DEFAULT_HEARTBEAT_INTERVAL_MS,
  type HeartbeatMode,
  negotiateLiveness,
} from './heartbeats.ts';
import { encodeMessage, engineError } from './messages.ts';
import { checkTokenFresh } from './token.ts';
import type { EngineConnection } from './transport.ts';

/** The options with every default filled in. */
export interface ControlSettings extends ControlChannelOptions {
  readonly version: string;
  readonly heartbeatIntervalMs: number | 'off';
  readonly zeroRtt: boolean;
  readonly timeouts: ClientTimeouts;
  readonly limits: ClientLimits;
}

export interface OpenedControl {
  readonly connection: EngineConnection;
  readonly ok: OpenControlChannelRsp_Ok;
  readonly heartbeats: HeartbeatMode;
}

const defaultTimeouts: ClientTimeouts = {
  connectMs: 15_000,
  operationMs: 30_000,
  dialBackMs: 10_000,
  releaseMs: 5_000,
};
const defaultLimits: ClientLimits = {
  activeDialBacks: 256,
  queuedDialBacks: 1_024,
  unacceptedStreams: 256,
  pendingTunnels: 1_024,
};

/** Throws before any network traffic when the options contradict each other or the token has expired. */
export function controlSettings(options: ControlChannelOptions): ControlSettings {
  const { token, transport, heartbeatIntervalMs = DEFAULT_HEARTBEAT_INTERVAL_MS } = options;
  if (token !== undefined && transport.clientCertificate) {
    throw new RstreamError(
      'ERR_RSTREAM_AUTH_CONFLICT',
      'a token and a client certificate cannot be used together',
    );
  }
  if (token !== undefined) checkTokenFresh(token, (options.clock ?? systemClock).date());
  if (heartbeatIntervalMs !== 'off') checkHeartbeatInterval(heartbeatIntervalMs);
  return {
    ...options,
    version: options.version ?? 'unknown',
    heartbeatIntervalMs,
    zeroRtt: options.zeroRtt ?? true,
    timeouts: { ...defaultTimeouts, ...options.timeouts },
    limits: { ...defaultLimits, ...options.limits },
  };
}

/** Connects and introduces itself; on any failure the connection is gone. A cancelled one is a ClientClosedError. */
export async function openControl(settings: ControlSettings, signal?: AbortSignal): Promise<OpenedControl> {
  const { clock, engine, transport, timeouts } = settings;
  let connection: EngineConnection | undefined;
  try {
    connection = await withDeadline(
      { clock, timeoutMs: timeouts.connectMs, what: 'connecting to the engine', signal },
      (inTime) => transport.connect({ engine, control: true }, inTime),
    );
    return await introduce(settings, connection, signal);
  } catch (error) {
    connection?.stream.destroy();
    throw signal?.aborted ? new ClientClosedError({ cause: error }) : error;
  }
}

async function introduce(
  settings: ControlSettings,
  connection: EngineConnection,
  signal: AbortSignal | undefined,
): Promise<OpenedControl> {
  const { clock, timeouts, heartbeatIntervalMs } = settings;
  connection.stream.write(encodeMessage({ case: 'openControlChannelReq', value: request(settings) }));
  const answer = await withDeadline(
    { clock, timeoutMs: timeouts.operationMs, what: 'opening the control channel', signal },
    (inTime) => receiveMessage(connection.stream, inTime),
  );
  const ok = accepted(answer);
  const heartbeats = negotiateLiveness(heartbeatIntervalMs, ok.liveness);
  if (heartbeats instanceof ProtocolError) throw heartbeats;
  return { connection, ok, heartbeats };
}

function request({ version, token, heartbeatIntervalMs }: ControlSettings) {
  const liveness = heartbeatIntervalMs === 'off' ? {} : { liveness: { heartbeatIntervalMs } };
  return create(OpenControlChannelReqSchema, { clientDetails: clientDetails(version, token), ...liveness });
}

function accepted({ payload }: Message): OpenControlChannelRsp_Ok {
  if (payload.case !== 'openControlChannelRsp') {
    throw new ProtocolError(`the engine's first answer was ${payload.case ?? 'an empty message'}`);
  }
  const { payload: result } = payload.value;
  if (result.case === 'error') throw engineError(result.value);
  if (result.case !== 'ok') throw new ProtocolError('the engine answered with neither ok nor error');
  return result.value;
}
