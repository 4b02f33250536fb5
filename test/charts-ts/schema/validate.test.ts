import { expect } from 'chai';

import {
  describeViolations,
  validateConnection,
  validateTunnel,
} from '../../../charts-ts/schema/validate.ts';
import { connectionBoundCases, tunnelBoundCases } from '../../support/bound-cases.ts';
import { connectionCases } from '../../support/connection-cases.ts';
import type { ManifestCase } from '../../support/manifest-cases.ts';
import { tunnelAgentCases } from '../../support/tunnel-agent-cases.ts';
import { tunnelCases } from '../../support/tunnel-cases.ts';

const tables = [
  {
    name: 'validateConnection',
    validate: validateConnection,
    cases: [...connectionCases, ...connectionBoundCases],
  },
  {
    name: 'validateTunnel',
    validate: validateTunnel,
    cases: [...tunnelCases, ...tunnelAgentCases, ...tunnelBoundCases],
  },
];

for (const { name, validate, cases } of tables) {
  describe(`${name} agrees with the API server`, () => {
    for (const { title, spec, refused } of cases) {
      it(`${refused ? 'refuses' : 'takes'} ${title}`, () => {
        const violations = validate(spec);

        if (refused === undefined) expect(violations).to.deep.equal([]);
        else expectRefusal(violations, refused);
      });
    }
  });
}

describe('validateTunnel', () => {
  const target = { service: { name: 'web', port: 80 } };

  it('takes null and undefined for absent, and fills defaults in', () => {
    expect(
      validateTunnel({ target, hostname: null, http: undefined, agent: { replicas: null } }),
    ).to.deep.equal([]);
  });

  it('refuses no spec at all', () => {
    expect(validateTunnel(undefined)).to.deep.equal([{ path: 'spec', message: 'Required value' }]);
    expect(validateTunnel('web')).to.have.length(1);
  });

  it('does not take fields of every object for fields of the schema', () => {
    const [violation] = validateTunnel({ target, constructor: 'x' });

    expect(violation?.message).to.equal('unknown field "spec.constructor"');
  });

  it('describes what is wrong in one line', () => {
    const violations = validateTunnel({ target, tcpPort: 80, hostname: '-' });

    expect(describeViolations(violations)).to.equal(
      'spec: tcpPort needs protocol tcp; spec: hostname must be a DNS name such as web.example.com or *.example.com',
    );
  });
});

function expectRefusal(
  violations: readonly { readonly path: string; readonly message: string }[],
  refused: NonNullable<ManifestCase['refused']>,
): void {
  expect(violations).to.have.length(1);
  const [{ path, message } = { path: '', message: '' }] = violations;
  if (refused.path !== '') expect(path).to.equal(refused.path);
  if (refused.sentence === 'should match') expect(message).to.contain(refused.sentence);
  else expect(message).to.satisfy((text: string) => text.endsWith(refused.sentence), message);
}
