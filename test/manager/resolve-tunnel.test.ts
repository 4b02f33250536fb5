import { expect } from 'chai';
import type { RstreamTunnelSpec } from '../../src/api/resources.ts';
import type { CachedGrant, CachedService } from '../../src/manager/cached-objects.ts';
import {
  resolveTunnel,
  specProblem,
  type TunnelPolicy,
  type TunnelReferences,
} from '../../src/manager/resolve-tunnel.ts';
import { DEFAULT_POLICY, tunnelOf } from './fixtures.ts';

const metadata = { name: 'app', namespace: 'shop', uid: 'u', resourceVersion: '1' };
const service = (more: Partial<CachedService> = {}): CachedService => ({
  metadata,
  headless: false,
  ports: [{ name: 'http', port: 80, targetPort: 8080 }],
  ...more,
});
const spec = { engine: 'e.example.com', tokenSecretRef: { name: 's', key: 'k' } };
const ready = { ready: { spec, engine: 'e.example.com:443', secretsDigest: 'd' } };
const references: TunnelReferences = {
  connectionExists: true,
  connection: ready,
  service: service(),
  grants: [],
};
const grantOf = (from: object = {}, to: object = {}): CachedGrant => ({
  metadata,
  from: [{ group: 'tunnels.rstream.io', kind: 'RstreamTunnel', namespace: 'shop', ...from }],
  to: [{ kind: 'Service', ...to }],
});

interface Case {
  readonly spec?: Partial<RstreamTunnelSpec>;
  readonly references?: Partial<TunnelReferences>;
  readonly policy?: Partial<TunnelPolicy>;
}

function resolve(given: Case) {
  return resolveTunnel(
    tunnelOf(given.spec),
    { ...references, ...given.references },
    { ...DEFAULT_POLICY, ...given.policy },
  );
}
const port = (value: number | string): Partial<RstreamTunnelSpec> => ({
  target: { service: { name: 'app', port: value } },
});
const other: Partial<RstreamTunnelSpec> = { target: { service: { name: 'app', port: 80, namespace: 'db' } } };
const ports = (...list: CachedService['ports']): Partial<TunnelReferences> => ({
  service: service({ ports: list }),
});
const udp = { name: 'dns', port: 53, protocol: 'UDP' };

describe('resolving a tunnel', () => {
  const targets: readonly (readonly [string, Case, string])[] = [
    ['a port by number', {}, 'app.shop.svc:80/TCP'],
    ['a port by name', { spec: port('http') }, 'app.shop.svc:80/TCP'],
    [
      'a UDP port for a datagram tunnel',
      { spec: { ...port(53), protocol: 'dtls' }, references: ports(udp) },
      'app.shop.svc:53/UDP',
    ],
    [
      'the right one of two protocols on one port',
      { spec: { ...port(53), protocol: 'quic' }, references: ports({ name: 'tcp', port: 53 }, udp) },
      'app.shop.svc:53/UDP',
    ],
    [
      'a headless Service whose ports agree',
      { references: { service: service({ headless: true, ports: [{ port: 80, targetPort: 80 }] }) } },
      'app.shop.svc:80/TCP',
    ],
    [
      'a headless Service with a named target port',
      { references: { service: service({ headless: true, ports: [{ port: 80, targetPort: 'web' }] }) } },
      'app.shop.svc:80/TCP',
    ],
    [
      'an ExternalName Service that is allowed',
      { references: { service: service({ type: 'ExternalName' }) }, policy: { allowExternalName: true } },
      'app.shop.svc:80/TCP',
    ],
    [
      'another namespace with a grant',
      { spec: other, references: { grants: [grantOf()] } },
      'app.db.svc:80/TCP',
    ],
    [
      'another namespace with a grant for this Service',
      { spec: other, references: { grants: [grantOf({}, { name: 'app' })] } },
      'app.db.svc:80/TCP',
    ],
    [
      'another namespace with a grant that says more beside it',
      {
        spec: other,
        references: {
          grants: [
            {
              metadata,
              from: [...grantOf({ namespace: 'x' }).from, ...grantOf().from],
              to: [...grantOf({}, { kind: 'Secret' }).to, ...grantOf().to],
            },
          ],
        },
      },
      'app.db.svc:80/TCP',
    ],
    [
      'another namespace when all are allowed',
      { spec: other, policy: { crossNamespaceTargets: 'allow' } },
      'app.db.svc:80/TCP',
    ],
    [
      'its own namespace by name',
      {
        spec: { target: { service: { name: 'app', port: 80, namespace: 'shop' } } },
        policy: { crossNamespaceTargets: 'deny' },
      },
      'app.shop.svc:80/TCP',
    ],
    [
      'its own namespace as ""',
      { spec: { target: { service: { name: 'app', port: 80, namespace: '' } } } },
      'app.shop.svc:80/TCP',
    ],
  ];
  for (const [what, given, expected] of targets) {
    it(`finds ${what}`, () => {
      const resolution = resolve(given);
      if (!('resolved' in resolution)) throw new Error(JSON.stringify(resolution));
      const { host, port: number, protocol } = resolution.resolved.target;
      expect(`${host}:${number}/${protocol}`).to.equal(expected);
    });
  }

  const secret = { blocked: { reason: 'SecretMissing', message: 'create it' } } as const;
  const denied = { blocked: { reason: 'PolicyDenied', message: 'not allowed', denied: true } } as const;
  const blocks: readonly (readonly [string, Case, string, string, boolean?])[] = [
    [
      'no connection',
      { references: { connectionExists: false, connection: undefined } },
      'ConnectionMissing',
      '"default" does not exist',
    ],
    [
      'no connection of the name',
      { spec: { connectionRef: { name: 'eu' } }, references: { connectionExists: false } },
      'ConnectionMissing',
      '"eu" does not exist',
    ],
    ['a connection without its Secret', { references: { connection: secret } }, 'SecretMissing', 'create it'],
    [
      'a connection that policy refuses',
      { references: { connection: denied } },
      'ConnectionNotReady',
      'PolicyDenied: not allowed',
      true,
    ],
    [
      'no Service',
      { references: { service: undefined } },
      'ServiceMissing',
      'Service "app" in namespace "shop" does not exist',
    ],
    ['no such port', { spec: port(81) }, 'ServicePortMissing', 'has no port 81; it has: http (80)'],
    [
      'no such port name',
      { spec: port('web') },
      'ServicePortMissing',
      'has no port named "web"; it has: http (80)',
    ],
    [
      'a number in quotes',
      { spec: port('80'), references: ports({ name: 'http', port: 80 }, udp) },
      'ServicePortMissing',
      'has no port named "80"; it has: http (80), dns (53); write 80 without quotes to mean the number',
    ],
    ['no ports at all', { references: ports() }, 'ServicePortMissing', 'it has: none'],
    [
      'a UDP port for a bytestream tunnel',
      { spec: port('dns'), references: ports(udp) },
      'ServicePortMismatch',
      'is UDP, but this tunnel needs TCP',
    ],
    [
      'a TCP port for a datagram tunnel',
      { spec: { protocol: 'dtls' } },
      'ServicePortMismatch',
      'is TCP, but this tunnel needs UDP',
    ],
    [
      'a headless Service whose ports differ',
      { references: { service: service({ headless: true }) } },
      'ServicePortMismatch',
      'make them equal',
    ],
    [
      'an ExternalName Service',
      { references: { service: service({ type: 'ExternalName' }) } },
      'RefNotPermitted',
      '--allow-external-name',
      true,
    ],
    ['another namespace without a grant', { spec: other }, 'RefNotPermitted', 'no ReferenceGrant', true],
    [
      'a grant from another namespace',
      { spec: other, references: { grants: [grantOf({ namespace: 'x' })] } },
      'RefNotPermitted',
      'no ReferenceGrant',
      true,
    ],
    [
      'a grant for another kind',
      { spec: other, references: { grants: [grantOf({ kind: 'HTTPRoute' })] } },
      'RefNotPermitted',
      'no ReferenceGrant',
      true,
    ],
    [
      'a grant from another group',
      { spec: other, references: { grants: [grantOf({ group: 'x' })] } },
      'RefNotPermitted',
      'no ReferenceGrant',
      true,
    ],
    [
      'a grant to another Service',
      { spec: other, references: { grants: [grantOf({}, { name: 'x' })] } },
      'RefNotPermitted',
      'no ReferenceGrant',
      true,
    ],
    [
      'a grant to another kind',
      { spec: other, references: { grants: [grantOf({}, { kind: 'Secret' })] } },
      'RefNotPermitted',
      'no ReferenceGrant',
      true,
    ],
    [
      'a grant to another group',
      { spec: other, references: { grants: [grantOf({}, { group: 'x' })] } },
      'RefNotPermitted',
      'no ReferenceGrant',
      true,
    ],
    [
      'grants that may not be read',
      { spec: other, references: { grants: undefined, missingRight: 'list grants' } },
      'RefNotPermitted',
      'the operator may not list grants, so it cannot tell',
    ],
    [
      'another namespace without a grant from before the right to read them went',
      { spec: other, references: { grants: [], missingRight: 'list grants' } },
      'RefNotPermitted',
      'the operator may not list grants',
    ],
    [
      'grants that could not be read for a while',
      { spec: other, references: { grants: undefined, grantsTrouble: 'scripted 500' } },
      'RefNotPermitted',
      'the operator does not know yet whether a ReferenceGrant permits it, and keeps asking: scripted 500',
    ],
    [
      'other namespaces when none is allowed',
      { spec: other, references: { grants: [grantOf()] }, policy: { crossNamespaceTargets: 'deny' } },
      'RefNotPermitted',
      'allows no targets in other namespaces (--cross-namespace-targets)',
      true,
    ],
    [
      'a namespace that is not watched',
      { spec: other, references: { grants: [grantOf()] }, policy: { watchNamespaces: ['shop'] } },
      'RefNotPermitted',
      '--watch-namespace',
      true,
    ],
  ];
  for (const [what, given, reason, message, stops = false] of blocks) {
    it(`says ${reason} about ${what}${stops ? ', for certain' : ''}`, () => {
      const resolution = resolve(given);
      if (!('blocked' in resolution)) throw new Error(JSON.stringify(resolution));
      expect(resolution.blocked.reason).to.equal(reason);
      expect(resolution.blocked.message).to.include(message);
      expect(resolution.blocked.denied === true).to.equal(stops);
    });
  }

  const unknowns: readonly (readonly [string, Case])[] = [
    ['its connection has not been looked at yet', { references: { connection: undefined } }],
    ['the grants are not known yet', { spec: other, references: { grants: undefined } }],
  ];
  for (const [what, given] of unknowns) {
    it(`decides nothing while ${what}`, () => {
      expect(resolve(given)).to.deep.equal({ pending: true });
    });
  }

  it('accepts only images that are allowed', () => {
    const problem = (image: string, allowedAgentImages: readonly string[]) =>
      specProblem(tunnelOf({ agent: { image } }).spec, { ...DEFAULT_POLICY, allowedAgentImages });
    expect(problem('x/agent:1', [])).to.equal(undefined);
    expect(problem('x/agent:1', ['x/*'])).to.equal(undefined);
    expect(problem('', ['x/*'])).to.equal(undefined);
    expect(problem('y/agent:1', ['x/*'])).to.include('--allowed-agent-images');
  });
});
