import { expect } from 'chai';
import type { RstreamConnectionSpec } from '../../src/api/resources.ts';
import { connectionPlan, connectionSpecProblem } from '../../src/manager/connection-plan.ts';

const ref = { name: 's', key: 'k' };
const project: RstreamConnectionSpec = { projectEndpoint: 'ab12', tokenSecretRef: ref };
const withHeader = (name: string): RstreamConnectionSpec => ({
  ...project,
  controlPlaneHeaders: [{ name, valueSecretRef: ref }],
});
const plan = (spec: RstreamConnectionSpec, values: Record<string, string>, allowed: readonly string[] = []) =>
  connectionPlan(spec, new Map(Object.entries(values)), allowed);

describe('the plan for a connection', () => {
  it('asks the control plane with trimmed token and header values', () => {
    const values = { 'spec.tokenSecretRef': ' t\n', 'spec.controlPlaneHeaders X-A': ' a ' };
    expect(plan(withHeader('X-A'), values)).to.deep.equal({
      question: {
        apiUrl: 'https://rstream.io',
        project: { endpoint: 'ab12' },
        region: undefined,
        token: 't',
        headers: new Map([['X-A', 'a']]),
      },
    });
  });

  for (const value of ['a\r\nx-evil: 1', 'a\nb', 'a\u0000b', 'a\u007fb', 'a\u{1F600}b']) {
    it(`refuses ${JSON.stringify(value)} as a token and as a header’s value, without repeating it`, () => {
      const token = plan(project, { 'spec.tokenSecretRef': value });
      const values = { 'spec.tokenSecretRef': 't', 'spec.controlPlaneHeaders X-A': value };
      for (const refused of [token, plan(withHeader('X-A'), values)]) {
        expect(refused).to.have.nested.property('blocked.reason', 'InvalidSpec');
        expect(JSON.stringify(refused)).to.not.include(JSON.stringify(value).slice(1, -1));
      }
    });
  }

  // The schema refuses them too; an object may have been stored before it did.
  for (const name of [
    ...['Authorization', 'connection', 'Content-Length', 'Cookie', 'Forwarded', 'Host', 'Keep-Alive'],
    ...['Proxy-Authorization', 'Proxy-Connection', 'TE', 'Trailer', 'Transfer-Encoding', 'Upgrade'],
    ...['X-Forwarded-For', 'x-forwarded-', 'X A', 'X:A', ''],
  ]) {
    it(`refuses header "${name}"`, () => {
      expect(connectionSpecProblem(withHeader(name))).to.include('spec.controlPlaneHeaders');
    });
  }

  it('takes other headers', () => {
    for (const name of ['X-A', 'X-Forwarded', 'Authorization-Extra']) {
      expect(connectionSpecProblem(withHeader(name)), name).to.equal(undefined);
    }
  });

  it('uses a named engine where the administrator allows it, and says PolicyDenied, for certain, where not', () => {
    const direct = { engine: 'E.Example.com', tokenSecretRef: ref };
    expect(plan(direct, {}, ['*.example.com:443'])).to.deep.equal({ engine: 'e.example.com:443' });
    const refused = plan(direct, {}, ['*.other.com:443']);
    expect(refused).to.have.nested.property('blocked.reason', 'PolicyDenied');
    expect(refused).to.have.nested.property('blocked.denied', true);
  });
});
