import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { expect } from 'chai';
import { TunnelPropertiesSchema } from '../../generated/protobuf/rstream_pb.js';
import { RstreamError } from '../../src/rstream/errors.ts';
import { forwardingAddress } from '../../src/rstream/forwarding-address.ts';

const table: readonly (readonly [MessageInitShape<typeof TunnelPropertiesSchema>, string])[] = [
  [{ hostname: 'web.example.test', port: 443, protocol: 'http' }, 'https://web.example.test'],
  [{ hostname: 'web.example.test', protocol: 'http' }, 'https://web.example.test'],
  [{ hostname: 'web.example.test', port: 8443, protocol: 'http' }, 'https://web.example.test:8443'],
  [{ hostname: 'tls.example.test', port: 443, protocol: 'tls' }, 'tls.example.test:443 (tls)'],
  [{ hostname: 'tcp.example.test', port: 10_042, protocol: 'tcp' }, 'tcp.example.test:10042 (tcp)'],
  [{ host: 'quic.example.test:443', protocol: 'quic' }, 'quic.example.test:443 (quic)'],
  [{ hostname: 'h', port: 443, protocol: 'dtls' }, 'h (dtls)'],
  [{ hostname: 'h', protocol: 'webtty' }, 'https://h (webtty)'],
  [{ hostname: 'h', port: 8443 }, 'h:8443'],
  [{ hostname: 'h', port: 443, protocol: 'gopher' }, 'h'],
  [{ host: 'old.example.test:443' }, 'old.example.test:443'],
  [{ hostname: ' ', host: 'old.example.test:443', protocol: 'http' }, 'https://old.example.test:443'],
  [{ name: 'api', id: 't1' }, 'rstrm://api (unpublished)'],
  [{ name: '', id: 't1' }, 'rstrm:// (unpublished)'],
  [{ id: 't1' }, 'rstrm://t1 (unpublished)'],
];

describe('forwardingAddress', () => {
  for (const [properties, expected] of table) {
    it(`case 46: ${expected}`, () => {
      expect(forwardingAddress(create(TunnelPropertiesSchema, properties))).to.equal(expected);
    });
  }

  it('case 46: refuses properties that say nothing', () => {
    expect(() => forwardingAddress(create(TunnelPropertiesSchema)))
      .to.throw(RstreamError)
      .with.property('code', 'ERR_RSTREAM_INVALID_TUNNEL');
  });
});
