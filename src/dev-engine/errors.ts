// Everything the engine refuses on purpose: a number of the protocol's ErrorCode and a sentence that says what to change.

import { ErrorCode } from '../../generated/protobuf/rstream_pb.js';
import { CodedError, messageOf } from '../common/errors.ts';

/** A refusal that travels to the client as a protocol Error. */
export class Refusal extends CodedError {
  /** The protocol's error code, for example 2000. */
  readonly number: ErrorCode;

  constructor(number: ErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super('ERR_ENGINE_REFUSED', message, options);
    this.number = number;
  }
}

export const unauthorized = (message: string) => new Refusal(ErrorCode.UNAUTHORIZED, message);
export const invalidRequest = (message: string) => new Refusal(ErrorCode.INVALID_REQUEST, message);
export const unavailable = (message: string) => new Refusal(ErrorCode.SERVICE_UNAVAILABLE, message);
export const atCapacity = (message: string) => new Refusal(ErrorCode.CAPACITY_EXHAUSTED, message);

/** Whatever was thrown, as something the protocol can say. */
export function refusalOf(thrown: unknown): Refusal {
  if (thrown instanceof Refusal) return thrown;
  return new Refusal(ErrorCode.INTERNAL, messageOf(thrown), { cause: thrown });
}

/** A flag or an admin request that cannot be understood. */
export class EngineOptionError extends CodedError {
  constructor(message: string) {
    super('ERR_ENGINE_OPTION', message);
  }
}
