// Protocol messages in and out of frames. Decoding never throws: what cannot be parsed is a ProtocolError, returned.
// Unknown fields and enum numbers survive, a body without payload is a Message whose payload case is undefined.

import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import {
  type Error as ErrorMessage,
  ErrorSchema,
  type Message,
  MessageSchema,
} from '../../generated/protobuf/rstream_pb.js';
import { EngineError, ProtocolError } from './errors.ts';
import { encodeFrame } from './frame.ts';

/** The protocol version this code speaks and announces. */
export const PROTOCOL_VERSION = '1.4.5';

/** What travels in a frame: `{ case: 'heartbeat', value: { sequence: 1n } }`. */
export type Payload = NonNullable<MessageInitShape<typeof MessageSchema>['payload']>;

/** One frame holding one message; throws FrameTooLargeError, before anything is written, above 65 535 bytes. */
export function encodeMessage(payload: Payload): Buffer {
  return encodeFrame(toBinary(MessageSchema, create(MessageSchema, { payload })));
}

/** The message in a frame's body. */
export function decodeMessage(body: Uint8Array): Message | ProtocolError {
  try {
    return fromBinary(MessageSchema, body);
  } catch (cause) {
    return new ProtocolError('a frame holds no parsable message', { cause });
  }
}

/** A wire error; `number` is one of the protocol's error codes. */
export function errorMessage(number: number, message: string): ErrorMessage {
  return create(ErrorSchema, { code: number, message });
}

/** The error a peer sent, as one to throw. */
export function engineError(error: ErrorMessage): EngineError {
  return new EngineError(error.code, error.message);
}
