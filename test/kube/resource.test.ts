import { expect } from 'chai';
import { keyOf, refOf } from '../../src/kube/object.ts';
import { apiVersionOf, metadataOf, resourceName, resourcePath } from '../../src/kube/resource.ts';
import { deployments, namespaces, secrets } from '../../src/kube/well-known.ts';

describe('resource descriptors', () => {
  const cases: [string, string][] = [
    [resourcePath(secrets), '/api/v1/secrets'],
    [resourcePath(secrets, { namespace: 'n' }), '/api/v1/namespaces/n/secrets'],
    [resourcePath(deployments, { namespace: 'n', name: 'a' }), '/apis/apps/v1/namespaces/n/deployments/a'],
    [
      resourcePath(deployments, { namespace: 'n', name: 'a', subresource: 'status' }),
      '/apis/apps/v1/namespaces/n/deployments/a/status',
    ],
    [resourcePath(namespaces, { name: 'kube-system' }), '/api/v1/namespaces/kube-system'],
  ];
  for (const [path, expected] of cases) it(`live at ${expected}`, () => expect(path).to.equal(expected));

  it('are named as people and rules name them', () => {
    expect([apiVersionOf(secrets), apiVersionOf(deployments)]).to.deep.equal(['v1', 'apps/v1']);
    expect([resourceName(secrets), resourceName(deployments)]).to.deep.equal(['secrets', 'deployments.apps']);
    expect(metadataOf(secrets)).to.deep.equal({ ...secrets, metadataOnly: true });
  });
});

describe('object keys', () => {
  it('go there and back', () => {
    for (const ref of [{ namespace: 'n', name: 'a' }, { name: 'a' }])
      expect(refOf(keyOf(ref))).to.deep.equal(ref);
    expect(keyOf({ namespace: 'n', name: 'a' })).to.equal('n/a');
  });
});
