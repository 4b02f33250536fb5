import { expect } from 'chai';
import type { RstreamConnectionSpec, RstreamConnectionStatus } from '../../src/api/resources.ts';
import type { CachedConnection } from '../../src/manager/cached-tunnel.ts';
import { connectionSpecProblem, secretUses } from '../../src/manager/connection-plan.ts';
import { type ConnectionFinding, connectionStatus } from '../../src/manager/connection-status.ts';
import { connectionReasonTable, reasonPairs } from '../support/condition-reasons.ts';

const token = { tokenSecretRef: { name: 's', key: 'k' } };
const project: RstreamConnectionSpec = { projectEndpoint: 'ab12', region: 'eu', ...token };
const direct: RstreamConnectionSpec = { engine: 'Engine.Example.com', ...token };
const resolved: RstreamConnectionStatus = {
  apiURL: 'https://rstream.io',
  projectID: 'p1',
  projectEndpoint: 'ab12',
  region: 'eu',
  engine: 'e.example.com:443',
};

function connection(spec: RstreamConnectionSpec, status: RstreamConnectionStatus = {}): CachedConnection {
  const metadata = { name: 'default', namespace: 'shop', uid: 'u', generation: 3 };
  return { metadata, spec, status, owners: { foreign: [], updaters: [], applied: true } };
}
const statusOf = (
  spec: RstreamConnectionSpec,
  finding: ConnectionFinding,
  before?: RstreamConnectionStatus,
) => connectionStatus(connection(spec, before), finding);
const failure = { reason: 'Unauthorized', message: 'no' } as const;

describe("a connection's status", () => {
  it('tells what was resolved, and for which generation', () => {
    const found = { engine: 'e.example.com:443', project: { id: 'p1', endpoint: 'ab12' } };
    const status = statusOf(project, found);
    expect(status.fields).to.deep.equal(resolved);
    expect(status.observedGeneration).to.equal(3);
    expect(status.conditions).to.have.length(1);
    expect(status.conditions[0]).to.include({
      type: 'Ready',
      status: 'True',
      reason: 'Ready',
      observedGeneration: 3,
    });
  });

  it('says auto where no region was asked for', () => {
    const found = { engine: 'e:443', project: { endpoint: 'ab12' } };
    for (const region of ['auto', ''])
      expect(statusOf({ ...project, region }, found).fields.region).to.equal('auto');
  });

  it('tells what was asked for where the control plane names no project', () => {
    const found = { engine: 'e:443', project: {} };
    expect(statusOf(project, found).fields).to.include({ projectEndpoint: 'ab12', projectID: undefined });
    const byId = { projectID: 'p1', ...token };
    expect(statusOf(byId, found).fields).to.include({ projectEndpoint: undefined, projectID: 'p1' });
  });

  it('tells nothing but the engine where no control plane is asked, also after another spec', () => {
    const status = statusOf(direct, { engine: 'engine.example.com:443' }, resolved);
    const told = Object.entries(status.fields).filter(([, value]) => value !== undefined);
    expect(told).to.deep.equal([['engine', 'engine.example.com:443']]);
  });

  it('keeps what the last success found when a later try fails', () => {
    expect(statusOf(project, failure, resolved).fields).to.deep.equal(resolved);
    const stale = statusOf(project, { engine: 'e.example.com:443', stale: 'no answer' }, resolved);
    expect(stale.fields).to.deep.equal(resolved);
    expect(stale.conditions[0]).to.include({ status: 'True', reason: 'ResolutionStale' });
    expect(stale.conditions[0]?.message).to.include('no answer');
  });

  it('is False with the reason and the sentence of what went wrong', () => {
    for (const pair of reasonPairs(connectionReasonTable)) {
      const reason = /^Ready=False\/(\w+)$/.exec(pair)?.[1];
      if (reason === undefined) continue;
      const finding = { ...failure, reason } as ConnectionFinding;
      expect(statusOf(project, finding).conditions[0]).to.include({ status: 'False', reason, message: 'no' });
    }
  });
});

describe("a connection's spec", () => {
  const problems: readonly (readonly [string, RstreamConnectionSpec, string | undefined])[] = [
    ['a project', project, undefined],
    ['an engine', direct, undefined],
    ['an engine with blanks', { ...direct, engine: ' e.example.com:8443 ' }, undefined],
    ['an IPv6 engine', { ...direct, engine: '[2001:db8::1]' }, undefined],
    ['brackets without an address', { ...direct, engine: '[::::]:443' }, 'spec.engine'],
    ['an engine and a region', { ...direct, region: 'eu' }, 'remove one'],
    ['an engine and region ""', { ...direct, region: '' }, undefined],
    ['an engine with an empty list of headers', { ...direct, controlPlaneHeaders: [] }, undefined],
    [
      'a Secret that cannot be',
      { ...direct, tokenSecretRef: { name: '..', key: 'k' } },
      'spec.tokenSecretRef',
    ],
    [
      'a header twice',
      {
        ...project,
        controlPlaneHeaders: ['X-A', 'x-a'].map((name) => ({
          name,
          valueSecretRef: { name: 's', key: 'k' },
        })),
      },
      'x-a',
    ],
  ];
  for (const [what, spec, words] of problems) {
    it(`${words ? 'cannot' : 'can'} work with ${what}`, () => {
      const problem = connectionSpecProblem(spec);
      if (words === undefined) expect(problem).to.equal(undefined);
      else expect(problem?.toLowerCase()).to.include(words.toLowerCase());
    });
  }

  it('names every Secret key it uses, and which of them its agents use', () => {
    const key = (name: string) => ({ name, key: 'k' });
    const spec: RstreamConnectionSpec = {
      projectID: 'p',
      tokenSecretRef: key('token'),
      mtls: { certSecretRef: key('cert'), keySecretRef: key('key'), caSecretRef: key('mtls-ca') },
      tls: { caSecretRef: key('tls-ca') },
      transport: {
        proxy: { http: 'http://p', usernameSecretRef: key('user'), passwordSecretRef: key('password') },
      },
      controlPlaneHeaders: [{ name: 'X-A', valueSecretRef: key('header') }],
    };
    const uses = secretUses(spec);
    expect(uses.filter(({ isAgents }) => isAgents).map(({ name }) => name)).to.have.members([
      ...['token', 'cert', 'key', 'mtls-ca', 'tls-ca', 'user', 'password'],
    ]);
    expect(uses.filter(({ isAgents }) => !isAgents).map(({ name }) => name)).to.deep.equal(['header']);
  });
});
