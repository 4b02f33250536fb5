import { expect } from 'chai';
import { childLabels } from '../../src/api/names.ts';
import {
  cacheChild,
  cacheGrant,
  cachePod,
  cacheSecret,
  cacheService,
} from '../../src/manager/cached-objects.ts';
import { UID } from './fixtures.ts';

const identity = { name: 'web', namespace: 'shop', uid: UID };
const metadata = { name: 'x', namespace: 'shop', uid: 'u', resourceVersion: '1' };
const ours = { ...metadata, labels: childLabels(identity, 'agent') };

describe('what is kept of', () => {
  it('a Secret is its name', () => {
    const secret = { metadata: { ...metadata, annotations: { a: 'b' } }, data: { token: 'dA==' } };
    expect(cacheSecret(secret)).to.deep.equal({ metadata });
  });

  it('a Service is what a tunnel may refer to', () => {
    const ports = [
      { name: 'http', port: 80, protocol: 'TCP', targetPort: 8080 },
      { port: 81, targetPort: 'web' },
    ];
    expect(
      cacheService({ metadata, spec: { type: 'ClusterIP', clusterIP: '10.0.0.1', ports } }),
    ).to.deep.equal({
      metadata,
      type: 'ClusterIP',
      headless: false,
      ports: [ports[0], { name: undefined, port: 81, protocol: undefined, targetPort: 'web' }],
    });
    expect(cacheService({ metadata, spec: { clusterIP: 'None' } })).to.include({ headless: true });
    expect(cacheService({ metadata, spec: { type: 'ExternalName' } })).to.include({ type: 'ExternalName' });
  });

  it('a ReferenceGrant is whom it lets refer to what, and no more than it says', () => {
    const from = [{ group: 'tunnels.rstream.io', kind: 'RstreamTunnel', namespace: 'shop', more: 'x' }];
    expect(cacheGrant({ metadata, spec: { from, to: [{ group: '', kind: 'Service' }] } })).to.deep.equal({
      metadata,
      from: [{ group: 'tunnels.rstream.io', kind: 'RstreamTunnel', namespace: 'shop' }],
      to: [{ kind: 'Service' }],
    });
    expect(cacheGrant({ metadata })).to.deep.equal({ metadata, from: [], to: [] });
  });

  it('a Pod is whose it is, what it runs and whether it is ready', () => {
    const annotations = { 'rstream.io/config-hash': 'h1' };
    const podOf = (status: string) => {
      const conditions = [{ type: 'Ready', status }];
      return cachePod({ metadata: { ...ours, annotations }, status: { phase: 'Running', conditions } });
    };
    expect(podOf('True')).to.include({ tunnelUid: UID, configHash: 'h1', ready: true, phase: 'Running' });
    for (const status of ['False', 'Unknown']) expect(podOf(status).ready, status).to.equal(false);
    expect(cachePod({ metadata: ours })).to.include({ ready: false, phase: 'Unknown' });
  });

  it('a child is who controls it, and what we own of it', () => {
    const owner = { uid: 'other', controller: false };
    const controller = { uid: UID, controller: true };
    const fieldsV1 = { 'f:data': {} };
    const entry = (manager: string, operation: string, more: object = {}) => ({
      ...{ manager, operation, fieldsV1 },
      ...more,
    });
    const managedFields = [
      entry('rstream-operator', 'Update'),
      entry('rstream-operator', 'Apply', { subresource: 'status' }),
      entry('somebody', 'Apply'),
    ];
    const childOf = (...more: readonly object[]) =>
      cacheChild('ConfigMap', {
        metadata: {
          ...ours,
          ownerReferences: [owner, controller],
          managedFields: [...managedFields, ...more],
        },
        data: { 'config.yaml': 'text', other: 'x' },
      });

    expect(childOf()).to.include({ controllerUid: UID, tunnelUid: UID, config: 'text', legacy: false });
    expect(childOf().ownedFields).to.equal(undefined);
    expect(childOf(entry('rstream-operator', 'Apply')).ownedFields).to.equal('{"f:data":{}}');
    const made = { 'f:metadata': { 'f:ownerReferences': { [`k:{"uid":"${UID}"}`]: {} } } };
    expect(childOf({ ...entry('manager', 'Update'), fieldsV1: made }).legacy).to.equal(true);
    expect(childOf({ ...entry('manager', 'Apply'), fieldsV1: made }).legacy).to.equal(false);
  });
});
