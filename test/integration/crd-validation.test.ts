import { expect } from 'chai';

import {
  API_GROUP_VERSION,
  type ResourceKind,
  RSTREAM_CONNECTION,
  RSTREAM_TUNNEL,
} from '../../src/api/group.ts';
import { apiRequest } from '../support/api-request.ts';
import { connectionBoundCases, tunnelBoundCases } from '../support/bound-cases.ts';
import { connectionCases } from '../support/connection-cases.ts';
import { installCrds } from '../support/crds.ts';
import type { KubeApiserver } from '../support/kube-apiserver.ts';
import type { ManifestCase } from '../support/manifest-cases.ts';
import { sharedKubeApiserver } from '../support/shared-apiserver.ts';
import { tunnelAgentCases } from '../support/tunnel-agent-cases.ts';
import { tunnelCases } from '../support/tunnel-cases.ts';

interface Status {
  readonly message?: string;
  readonly details?: { readonly causes?: readonly { readonly field: string; readonly message: string }[] };
}

describe('API server validation', () => {
  let server: KubeApiserver;
  let namespace: string;

  before(async function start() {
    this.timeout(120_000);
    server = await sharedKubeApiserver();
    await installCrds(server);
    namespace = await server.createNamespace('crd');
  });

  const tables: readonly (readonly [ResourceKind, readonly ManifestCase[]])[] = [
    [RSTREAM_CONNECTION, [...connectionCases, ...connectionBoundCases]],
    [RSTREAM_TUNNEL, [...tunnelCases, ...tunnelAgentCases, ...tunnelBoundCases]],
  ];

  for (const [resource, cases] of tables) {
    describe(resource.kind, () => {
      for (const { title, spec, refused } of cases) {
        it(`${refused ? 'refuses' : 'takes'} ${title}`, async () => {
          const path = `/apis/${API_GROUP_VERSION}/namespaces/${namespace}/${resource.plural}`;
          const object = {
            apiVersion: API_GROUP_VERSION,
            kind: resource.kind,
            metadata: { name: 'x' },
            spec,
          };
          const answer = await apiRequest(
            server,
            'POST',
            `${path}?dryRun=All&fieldValidation=Strict`,
            object,
          );
          const status = answer.body as Status;

          if (refused === undefined) expect(answer.status, status.message).to.equal(201);
          else expectRefusal(status, refused);
        });
      }
    });
  }
});

/** Exactly one fault, at that path, with that sentence. */
function expectRefusal(status: Status, refused: NonNullable<ManifestCase['refused']>): void {
  if (refused.path === '') {
    expect(status.message)
      .to.match(/strict decoding error: /)
      .and.to.satisfy(endsWith(refused.sentence));
    return;
  }

  // Beside some structural faults the server says, without naming a field, that it has not judged the rules.
  const causes = (status.details?.causes ?? []).filter(({ field }) => field !== '<nil>');
  expect(causes, status.message).to.have.length(1);
  expect(causes[0]?.field).to.equal(refused.path);
  expect(causes[0]?.message).to.satisfy(endsWith(refused.sentence), causes[0]?.message);
}

function endsWith(sentence: string): (message: string) => boolean {
  return (message) => (sentence === 'should match' ? message.includes(sentence) : message.endsWith(sentence));
}
