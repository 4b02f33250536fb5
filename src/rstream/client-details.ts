// What every first frame says about this client. The token is the account token on control and stream requests and the
// stream's own secret on proxy requests, never the other way round.

import { create } from '@bufbuild/protobuf';
import { type ClientDetails, ClientDetailsSchema } from '../../generated/protobuf/rstream_pb.js';
import { PROTOCOL_VERSION } from './messages.ts';

export function clientDetails(version: string, token: string | undefined): ClientDetails {
  return create(ClientDetailsSchema, {
    agent: 'rstream-operator',
    channel: 'kubernetes',
    version,
    os: process.platform,
    arch: process.arch,
    protocolVersion: PROTOCOL_VERSION,
    ...(token === undefined ? {} : { token }),
  });
}
