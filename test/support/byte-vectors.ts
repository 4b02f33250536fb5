// Frames as a protobuf library made them from the schema of protocol version 1.4.5, and what is in each.

import type { Payload } from '../../src/rstream/messages.ts';
import type { PayloadCase } from './engine-side.ts';

const streamId = '0123456789abcdef01234567';

export const byteVectors: readonly (readonly [string, Payload])[] = [
  ['00 00 00 02 1a 00', { case: 'closeControlChannelReq', value: {} }],
  ['00 00 00 02 22 00', { case: 'closeControlChannelRsp', value: {} }],
  ['00 00 00 06 3a 04 0a 02 74 31', { case: 'closeTunnelReq', value: { tunnelId: 't1' } }],
  ['00 00 00 06 42 04 0a 02 74 31', { case: 'closeTunnelRsp', value: { tunnelId: 't1' } }],
  ['00 00 00 04 7a 02 08 01', { case: 'heartbeat', value: { sequence: 1n } }],
  ['00 00 00 04 7a 02 10 01', { case: 'heartbeat', value: { acknowledgement: 1n } }],
  ['00 00 00 02 7a 00', { case: 'heartbeat', value: {} }],
  ['00 00 00 06 52 04 0a 02 73 31', { case: 'proxyConnRsp', value: { streamId: 's1' } }],
  [
    '00 00 00 10 52 0e 0a 02 73 31 12 08 08 a0 1f 12 03 0a 01 78',
    { case: 'proxyConnRsp', value: { streamId: 's1', error: { code: 4000, message: 'x' } } },
  ],
  [
    '00 00 00 11 5a 0f 0a 05 32 03 0a 01 73 12 02 73 31 1a 02 08 01',
    { case: 'proxyReq', value: { clientDetails: { token: 's' }, streamId: 's1', zeroRtt: true } },
  ],
  [
    '00 00 00 0f 5a 0d 0a 05 32 03 0a 01 73 12 02 73 31 1a 00',
    { case: 'proxyReq', value: { clientDetails: { token: 's' }, streamId: 's1', zeroRtt: false } },
  ],
  ['00 00 00 02 62 00', { case: 'proxyRsp', value: {} }],
  [
    '00 00 00 06 72 04 0a 02 73 31',
    { case: 'streamRsp', value: { payload: { case: 'streamId', value: 's1' } } },
  ],
  ['00 00 00 04 72 02 0a 00', { case: 'streamRsp', value: { payload: { case: 'streamId', value: '' } } }],
  ['00 00 00 02 72 00', { case: 'streamRsp', value: {} }],
  [
    '00 00 00 0d 6a 0b 12 03 61 70 69 1a 00 22 02 08 01',
    { case: 'streamReq', value: { tunnelIdName: 'api', zeroRtt: false, datagramChannel: true } },
  ],
  ['00 00 00 07 82 01 04 0a 02 68 69', { case: 'serverMessage', value: { message: 'hi' } }],
  ['00 00 00 07 8a 01 04 0a 02 73 31', { case: 'datagramChannelClose', value: { streamId: 's1' } }],
  [
    '00 00 00 0d 12 0b 12 09 08 e8 07 12 04 0a 02 6e 6f',
    {
      case: 'openControlChannelRsp',
      value: { payload: { case: 'error', value: { code: 1000, message: 'no' } } },
    },
  ],
  [
    '00 00 00 13 12 11 0a 0f 0a 05 63 6c 69 5f 31 1a 06 08 88 27 10 98 75',
    {
      case: 'openControlChannelRsp',
      value: {
        payload: {
          case: 'ok',
          value: {
            clientId: 'cli_1',
            liveness: { heartbeatIntervalMs: 5_000, heartbeatTimeoutMs: 15_000 },
          },
        },
      },
    },
  ],
  [
    `00 00 00 22 0a 20 0a 19 0a 09 0a 07 72 73 74 72 65 61 6d 32 03 0a 01 54 3a 07 0a 05 31 2e 34 2e 35
     12 03 08 88 27`,
    {
      case: 'openControlChannelReq',
      value: {
        clientDetails: { agent: 'rstream', token: 'T', protocolVersion: '1.4.5' },
        liveness: { heartbeatIntervalMs: 5_000 },
      },
    },
  ],
  [
    `00 00 00 27 2a 25 0a 02 71 31 12 1f 1a 05 0a 03 77 65 62 22 0c 0a 0a 62 79 74 65 73 74 72 65 61 6d
     2a 00 3a 06 0a 01 61 12 01 62`,
    {
      case: 'openTunnelReq',
      value: {
        requestId: 'q1',
        tunnelProperties: { name: 'web', type: 'bytestream', publish: false, labels: { a: 'b' } },
      },
    },
  ],
  [
    `00 00 00 27 32 25 0a 02 71 31 12 1f 0a 04 0a 02 74 31 12 06 08 80 e2 cf aa 06 b2 01 08 0a 06
     68 2e 74 65 73 74 ba 01 03 08 bb 03`,
    {
      case: 'openTunnelRsp',
      value: {
        requestId: 'q1',
        payload: {
          case: 'tunnelProperties',
          value: { id: 't1', creationDate: { seconds: 1_700_000_000n }, hostname: 'h.test', port: 443 },
        },
      },
    },
  ],
  [
    `00 00 00 35 4a 33 0a 02 74 31 12 18 30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66 30 31 32 33 34 35 36 37
     1a 03 0a 01 73 22 05 0d 0a 02 00 c0 2a 07 0a 05 65 3a 34 34 33`,
    {
      case: 'proxyConnReq',
      value: {
        tunnelId: 't1',
        streamId,
        secret: 's',
        sourceIp: { addr: { case: 'v4', value: 0xc000020a } },
        proxyEndpoint: 'e:443',
      },
    },
  ],
];

export function bytesOf(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(/\s+/g, ''), 'hex');
}

/** The first frame of this kind. */
export function vectorOf(kind: PayloadCase): Buffer {
  const found = byteVectors.find(([, payload]) => payload.case === kind);
  if (!found) throw new Error(`there is no vector of a ${kind}`);
  return bytesOf(found[0]);
}
