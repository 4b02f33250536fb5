import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { stringify } from 'yaml';
import { readSettings } from '../../src/agent/settings.ts';
import { ManualClock } from '../support/manual-clock.ts';

const good = {
  connection: { engine: 'engine.test' },
  tunnel: { protocol: 'http', hostname: 'web.engine.test' },
  target: { host: 'web', port: '80' },
};

describe('settings of the agent', () => {
  const directory = mkdtempSync(join(tmpdir(), 'rstream-settings-'));
  const file = join(directory, 'config.yaml');
  after(() => rmSync(directory, { recursive: true, force: true }));

  function read(config: object | string, args: readonly string[] = [], env: Record<string, string> = {}) {
    writeFileSync(file, typeof config === 'string' ? config : stringify(config));
    const token = { RSTREAM_AUTHENTICATION_TOKEN: 'T', ...env };
    return readSettings([`--config=${file}`, ...args], token, new ManualClock());
  }

  it('fills in what was left out', () => {
    expect(read(good)).to.deep.include({
      engine: { host: 'engine.test', port: 443 },
      token: 'T',
      target: { host: 'web', port: 80 },
      retry: { initialMs: 1_000, maxMs: 30_000 },
      drainMs: 25_000,
      logLevel: 'info',
      release: 'close',
      report: undefined,
    });
  });

  it('takes the token without the line end that a Secret made of a file has', () => {
    expect(read(good, [], { RSTREAM_AUTHENTICATION_TOKEN: ' T\n' })?.token).to.equal('T');
  });

  it('logs as it is told, and debug where it is told to trace', () => {
    for (const [level, logLevel] of [
      ['debug', 'debug'],
      ['warn', 'warn'],
      ['error', 'error'],
      ['trace', 'debug'],
    ]) {
      expect(read({ ...good, log: { level } })).to.include({ logLevel });
    }
  });

  it('asks for help without a configuration', () => {
    expect(readSettings(['--help'], {}, new ManualClock())).to.equal(undefined);
  });

  const kubernetes = { enabled: true, namespace: 'demo', tunnelName: 'web', podNameEnv: 'POD' };
  const connection = (transport: object) => ({ ...good, connection: { engine: 'engine.test', transport } });
  const refusals: ReadonlyArray<
    readonly [string, object | string, RegExp, Record<string, string>?, string[]?]
  > = [
    ['an unknown key', { ...good, tunel: {} }, /tunel/],
    ['YAML that is none', '{{{', /config\.yaml/],
    ['an engine with a scheme', { ...good, connection: { engine: 'https://x' } }, /not an engine address/],
    ['no credentials', good, /RSTREAM_AUTHENTICATION_TOKEN/, { RSTREAM_AUTHENTICATION_TOKEN: '' }],
    [
      'two credentials',
      { ...good, connection: { engine: 'x', mtls: { certFile: 'a', keyFile: 'b' } } },
      /both set/,
    ],
    ['tcp with a hostname', { ...good, tunnel: { protocol: 'tcp', hostname: 'x.y' } }, /hostname/],
    [
      'UDP for a byte stream',
      { ...good, target: { host: 'x', port: '1', protocol: 'UDP' } },
      /target\.protocol/,
    ],
    ['a bad retry', { ...good, retry: { initial: '10s', max: '1s' } }, /retry\.initial/],
    [
      'two CAs',
      {
        ...good,
        connection: {
          engine: 'x',
          mtls: { certFile: 'a', keyFile: 'b', caFile: 'c' },
          tls: { caFile: 'c' },
        },
      },
      /mtls\.caFile and connection\.tls\.caFile are both set/,
      { RSTREAM_AUTHENTICATION_TOKEN: '' },
    ],
    [
      'a target of packets by TCP',
      {
        ...good,
        tunnel: { type: 'datagram', publish: false },
        target: { host: 'x', port: '1', protocol: 'TCP' },
      },
      /target\.protocol must be UDP/,
    ],
    ['a bind without an interface', connection({ bind: { mode: 'interface' } }), /bind\.interface/],
    ['DNS over TLS without a server', connection({ dns: { tls: true } }), /dns\.tls needs dns\.override/],
    ['QUIC through a proxy', connection({ mode: 'quic', proxy: { http: 'http://p' } }), /HTTP proxy/],
    ['a bind without an address', connection({ bind: { mode: 'address' } }), /bind\.address/],
    ['dnssec without tls', connection({ dns: { override: '1.1.1.1', dnssec: true } }), /dns\.dnssec/],
    [
      'a proxy user without password',
      connection({ proxy: { http: 'http://p', usernameEnv: 'U' } }),
      /passwordEnv/,
      { U: 'x' },
    ],
    [
      'a proxy credential that is not there',
      connection({ proxy: { http: 'http://p', usernameEnv: 'NONE' } }),
      /NONE/,
    ],
    ['a cluster without a Pod name', { ...good, kubernetes }, /POD/],
    [
      'a bad address to listen on',
      good,
      /--health-bind-address: "nowhere" is not an address/,
      {},
      ['--health-bind-address=nowhere'],
    ],
    ['an unknown flag', good, /--colour/, {}, ['--colour']],
    ['an unknown way to let go', good, /--release/, {}, ['--release=later']],
  ];
  for (const [name, config, sentence, env, args] of refusals) {
    it(`refuses ${name}, naming it`, () => {
      expect(() => read(config, args, env)).to.throw(sentence);
    });
  }

  it('knows the tunnel it reports on', () => {
    const labels = { 'rstream.kubernetes.uid': 'u1' };
    const settings = read({ ...good, tunnel: { ...good.tunnel, labels }, kubernetes }, [], { POD: 'p-1' });
    expect(settings?.report).to.deep.equal({
      tunnel: { namespace: 'demo', name: 'web', uid: 'u1' },
      podName: 'p-1',
    });
  });
});
