import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { transportSettings } from '../../src/agent/transport-settings.ts';
import type { AgentConnectionConfig, AgentTransportConfig } from '../../src/api/agent-config.ts';
import { createCertificateAuthority } from '../../src/dev-engine/certificate-authority.ts';
import { testAuthority } from '../support/certificates.ts';
import { ManualClock } from '../support/manual-clock.ts';

const engine = 'engine.test';
const env = { USER_NAME: 'me', SECRET: 'p' };
const of = (transport: AgentTransportConfig) =>
  transportSettings({ engine, transport }, env, new ManualClock());

describe('the connection section as settings of a transport', () => {
  const modes = [
    [{}, 'auto'],
    [{ mode: 'tls' }, 'tls'],
    [{ mode: 'quic' }, 'quic'],
    [{ useQuic: true }, 'quic'],
    [{ useQuic: false }, 'tls'],
    [{ mode: 'auto', useQuic: true }, 'auto'],
    [{ mode: 'tls', useQuic: true }, 'tls'],
  ] as const;
  for (const [transport, mode] of modes) {
    it(`${JSON.stringify(transport)} is mode ${mode}`, () => {
      expect(of(transport)).to.include({ mode, network: undefined });
    });
  }

  const nothing = { bind: undefined, family: undefined, dns: undefined, proxy: undefined };
  const override = '[2001:db8::1]:5353';
  const http = 'http://proxy.test:3128';
  const networks: readonly (readonly [AgentTransportConfig, object])[] = [
    [{ ipFamily: 'ipv4' }, { family: 4 }],
    [{ ipFamily: 'ipv6' }, { family: 6 }],
    [{ bind: { address: '192.0.2.1' } }, { bind: { mode: 'address', address: '192.0.2.1' } }],
    [
      { bind: { mode: 'interface', interface: 'eth0', address: '192.0.2.1' } },
      { bind: { mode: 'interface', interface: 'eth0' } },
    ],
    [{ dns: { override } }, { dns: { override, tls: false, serverName: undefined, dnssec: false } }],
    [
      { dns: { override, tls: true, serverName: 'dns.test', dnssec: true } },
      { dns: { override, tls: true, serverName: 'dns.test', dnssec: true } },
    ],
    [
      { proxy: { http, usernameEnv: 'USER_NAME', passwordEnv: 'SECRET', headers: { 'X-A': 'b' } } },
      { proxy: { url: http, username: 'me', password: 'p', headers: { 'X-A': 'b' } } },
    ],
  ];
  for (const [transport, network] of networks) {
    it(`${JSON.stringify(transport)} shapes the path`, () => {
      expect(of(transport).network).to.deep.equal({ ...nothing, ...network });
    });
  }

  for (const transport of [{}, { bind: {} }, { dns: {} }, { ipFamily: 'auto' }] as AgentTransportConfig[]) {
    it(`${JSON.stringify(transport)} leaves the path to the system`, () => {
      expect(of(transport).network).to.equal(undefined);
    });
  }

  it('passes a wish for Multipath TCP on', () => {
    expect(of({ mptcp: true }).mptcp).to.equal(true);
  });

  describe('of TLS', () => {
    const directory = mkdtempSync(join(tmpdir(), 'rstream-material-'));
    const [ca, cert, key] = ['ca', 'cert', 'key'].map((name) => join(directory, name));
    const put = (text: string) => {
      for (const file of [ca, cert, key]) writeFileSync(file ?? '', `${text} ${file?.at(-1)}`);
    };
    beforeEach(() => put('old'));
    after(() => rmSync(directory, { recursive: true, force: true }));

    const tlsOf = (more: Partial<AgentConnectionConfig>, clock = new ManualClock()) =>
      transportSettings({ engine, ...more }, env, clock).tls;

    it('sends the server name that was asked for, and no certificate', () => {
      const tls = tlsOf({ tls: { serverName: 'engine.internal', caFile: ca } });
      expect(tls).to.include({ serverName: 'engine.internal', clientCertificate: false });
      expect(tls?.material?.()).to.deep.equal({ ca: 'old a', cert: undefined, key: undefined });
    });

    it('presents a certificate, and trusts the CA beside it or that of tls', () => {
      const mtls = { certFile: cert ?? '', keyFile: key ?? '' };
      const own = tlsOf({ mtls: { ...mtls, caFile: ca } });
      expect(own?.clientCertificate).to.equal(true);
      expect(own?.material?.()).to.deep.equal({ ca: 'old a', cert: 'old t', key: 'old y' });
      expect(tlsOf({ mtls, tls: { caFile: ca } })?.material?.()).to.deep.equal({
        ...{ ca: 'old a', cert: 'old t', key: 'old y' },
      });
    });

    it('reads the files again after a second, and gives the same object while they are the same', async () => {
      const clock = new ManualClock();
      const material = tlsOf({ tls: { caFile: ca } }, clock)?.material;
      const first = material?.();
      await clock.advance(1_000);
      expect(material?.()).to.equal(first);
      put('new');
      expect(material?.(), 'within the second').to.equal(first);
      await clock.advance(1_000);
      expect(material?.()).to.deep.equal({ ca: 'new a', cert: undefined, key: undefined });
    });

    it('goes on with what can be used while certificate and key do not belong together, or the CA is none', async () => {
      // Each authority has one key for all that it issues.
      const authority = await testAuthority();
      const two = await (await createCertificateAuthority()).issueClient('two');
      const one = await authority.issueClient('one');
      const clock = new ManualClock();
      const write = (file: string | undefined, text: string) => writeFileSync(file ?? '', text);
      write(cert, one.cert);
      write(key, one.key);
      write(ca, authority.certificate);
      const mtls = { certFile: cert ?? '', keyFile: key ?? '', caFile: ca };
      const material = tlsOf({ mtls }, clock)?.material;
      const first = material?.();
      write(cert, two.cert);
      await clock.advance(1_000);
      expect(material?.()).to.equal(first);
      write(key, two.key);
      await clock.advance(1_000);
      const second = material?.();
      expect(second).to.deep.equal({ ca: authority.certificate, ...two });
      write(ca, 'no CA');
      await clock.advance(1_000);
      expect(material?.()).to.equal(second);
    });

    it('goes on with what it read last while a file cannot be read, and cannot begin without it', async () => {
      const clock = new ManualClock();
      const material = tlsOf({ tls: { caFile: ca } }, clock)?.material;
      const first = material?.();
      rmSync(ca ?? '');
      await clock.advance(1_000);
      expect(material?.()).to.equal(first);
      expect(() => tlsOf({ tls: { caFile: ca } })?.material?.()).to.throw(/cannot be read/);
    });
  });
});
