// Every error of the rstream client and of the code it shares with the engine: one class per thing that can go wrong,
// each with a stable code. Messages never contain tokens or secrets.

import { ErrorCode } from '../../generated/protobuf/rstream_pb.js';
import { CodedError } from '../common/errors.ts';

/** The codes of errors this room throws or ends with. */
export type RstreamErrorCode =
  | 'ERR_RSTREAM_AUTH_CONFLICT'
  | 'ERR_RSTREAM_AUTH_REQUIRED'
  | 'ERR_RSTREAM_CLIENT_CLOSED'
  | 'ERR_RSTREAM_CONNECT'
  | 'ERR_RSTREAM_CONTROL_CLOSED'
  | 'ERR_RSTREAM_CONTROL_LIVENESS'
  | 'ERR_RSTREAM_CONTROL_OVERLOAD'
  | 'ERR_RSTREAM_DNS'
  | 'ERR_RSTREAM_ENGINE'
  | 'ERR_RSTREAM_FRAME_TOO_LARGE'
  | 'ERR_RSTREAM_INVALID_CONFIG'
  | 'ERR_RSTREAM_INVALID_ENGINE'
  | 'ERR_RSTREAM_INVALID_TUNNEL'
  | 'ERR_RSTREAM_MTLS_INCOMPLETE'
  | 'ERR_RSTREAM_NO_ROOM'
  | 'ERR_RSTREAM_OPERATION_TIMEOUT'
  | 'ERR_RSTREAM_PROTOCOL'
  | 'ERR_RSTREAM_PROXY'
  | 'ERR_RSTREAM_TLS_CONFIGURATION'
  | 'ERR_RSTREAM_TOKEN_EXPIRED'
  | 'ERR_RSTREAM_TRANSPORT'
  | 'ERR_RSTREAM_TUNNEL_CLOSED'
  | 'ERR_RSTREAM_UNSUPPORTED_TRANSPORT'
  | 'ERR_RSTREAM_UNSUPPORTED_TUNNEL';

export class RstreamError extends CodedError {
  declare readonly code: RstreamErrorCode;

  constructor(code: RstreamErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(code, message, options);
  }
}

/** The engine said no: `number` is its error code (1000 unauthorized, 6000 unavailable, …), 0 when it gave none. */
export class EngineError extends RstreamError {
  readonly number: number;

  constructor(number: number, message: string | undefined) {
    super('ERR_RSTREAM_ENGINE', message?.trim() || `the engine answered with error ${number} and no message`);
    this.number = number;
  }

  /** Whether trying the same again later can succeed: unavailable, at capacity, or an internal failure. */
  get retryable(): boolean {
    return (
      this.number === ErrorCode.SERVICE_UNAVAILABLE ||
      this.number === ErrorCode.CAPACITY_EXHAUSTED ||
      this.number === ErrorCode.INTERNAL
    );
  }
}

/** The peer broke the protocol; nothing further from it can be trusted. */
export class ProtocolError extends RstreamError {
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super('ERR_RSTREAM_PROTOCOL', message, options);
  }
}

/** A frame over 65 535 bytes, announced by the peer or about to be sent by us. */
export class FrameTooLargeError extends RstreamError {
  constructor(bytes: number) {
    super('ERR_RSTREAM_FRAME_TOO_LARGE', `a frame of ${bytes} bytes is over the limit of 65535`);
  }
}

/** The connection broke: end of file, reset, TLS failure, name not found. Trying again may help. */
export class TransportError extends RstreamError {
  constructor(message: string, options?: { readonly cause?: unknown; readonly code?: RstreamErrorCode }) {
    super(options?.code ?? 'ERR_RSTREAM_TRANSPORT', message, options);
  }
}

/** Nothing arrived from the engine for as long as both sides had agreed. */
export class ControlLivenessError extends RstreamError {
  constructor(timeoutMs: number) {
    super('ERR_RSTREAM_CONTROL_LIVENESS', `the engine sent nothing for ${timeoutMs} ms`);
  }
}

/** An operation did not finish in its time; `what` is a noun phrase such as "opening the tunnel". */
export class OperationTimeoutError extends RstreamError {
  constructor(what: string, timeoutMs: number) {
    super('ERR_RSTREAM_OPERATION_TIMEOUT', `Timed out: ${what} took longer than ${timeoutMs} ms`);
  }
}

/** The control channel is closed or closing; the cause says why. */
export class ControlClosedError extends RstreamError {
  constructor(options?: { readonly cause?: unknown }) {
    super('ERR_RSTREAM_CONTROL_CLOSED', 'the control channel is closed', options);
  }
}

export class TunnelClosedError extends RstreamError {
  constructor(tunnelId: string, message = `tunnel ${tunnelId} is closed`) {
    super('ERR_RSTREAM_TUNNEL_CLOSED', message);
  }
}

/** The caller cancelled while the operation was under way. */
export class ClientClosedError extends RstreamError {
  constructor(options?: { readonly cause?: unknown }) {
    super('ERR_RSTREAM_CLIENT_CLOSED', 'the client is closed', options);
  }
}
