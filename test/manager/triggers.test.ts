import { expect } from 'chai';
import { CHILD_LABEL } from '../../src/api/names.ts';
import { systemClock } from '../../src/common/clock.ts';
import { silentLogger } from '../../src/common/logging.ts';
import { KubeClient } from '../../src/kube/client.ts';
import type { Informer } from '../../src/kube/informer.ts';
import type { KubeObject } from '../../src/kube/object.ts';
import { ManagerCache } from '../../src/manager/manager-cache.ts';
import { crossNamespaceTunnels, subscribeTriggers } from '../../src/manager/triggers.ts';
import { childResources } from '../../src/manager/watched-resources.ts';
import { tunnelOf } from './fixtures.ts';

describe('what a change makes the manager look at again', () => {
  let client: KubeClient;
  let cache: ManagerCache;
  let keys: Set<string>;
  let version: number;

  beforeEach(() => {
    const credentials = {
      baseUrl: 'http://127.0.0.1:1',
      tls: async () => ({}),
      authorization: async () => undefined,
    };
    client = new KubeClient({ credentials, clock: systemClock });
    cache = new ManagerCache({ client, clock: systemClock, log: silentLogger, namespaces: [] });
    keys = new Set();
    version = 1;
    subscribeTriggers(cache, childResources.keys(), {
      tunnel: (key) => keys.add(`tunnel ${key}`),
      connection: (key) => keys.add(`connection ${key}`),
    });
    const target = (namespace: string) => ({ target: { service: { name: 'app', port: 80, namespace } } });
    see(cache.tunnels, 'one', {}, { spec: target('shop') });
    see(cache.tunnels, 'two', {}, { spec: { ...target('shop'), connectionRef: { name: 'other' } } });
    see(cache.connections, 'default', {}, connection);
  });
  afterEach(() => client.close());

  /** As an answer to a write brings it, which is how the watch does. */
  function see(
    informer: Pick<Informer<never>, 'written'>,
    name: string,
    metadata: object = {},
    more: object = {},
  ): ReadonlySet<string> {
    version += 1;
    const base = {
      name,
      namespace: 'shop',
      uid: `uid-${name}`,
      resourceVersion: `${version}`,
      generation: 1,
    };
    const object: KubeObject = { metadata: { ...base, ...metadata }, ...more };
    keys.clear();
    informer.written(object as never);
    return new Set(keys);
  }
  const labelled = (tunnel: string) => ({ labels: { [CHILD_LABEL.tunnelUid]: `uid-${tunnel}` } });
  const ownedBy = (tunnel: string) => ({ ownerReferences: [{ uid: `uid-${tunnel}`, controller: true }] });
  const connection = { spec: { engine: 'e', tokenSecretRef: { name: 'token', key: 'k' } } };
  const [one, two] = ['tunnel shop/one', 'tunnel shop/two'];

  it('is the tunnels to a Service', () => {
    expect(see(cache.services, 'app')).to.have.all.keys(one, two);
    expect(see(cache.services, 'another')).to.be.empty;
    expect(see(cache.services, 'app', { namespace: 'elsewhere', uid: 'e' })).to.be.empty;
  });

  it('is the connections that use a Secret', () => {
    expect(see(cache.secrets, 'token')).to.have.all.keys('connection shop/default');
    expect(see(cache.secrets, 'another')).to.be.empty;
  });

  it('is a connection, and its tunnels once it is going', () => {
    expect(see(cache.connections, 'default', {}, connection)).to.have.all.keys('connection shop/default');
    const going = { deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: ['example.com/held'] };
    expect(see(cache.connections, 'default', going, connection)).to.have.all.keys(
      'connection shop/default',
      one,
    );
    expect(see(cache.connections, 'default', going, connection)).to.have.all.keys('connection shop/default');
  });

  it('is the tunnel of a Pod, and the one it was taken from', () => {
    expect(see(cache.pods, 'p', labelled('one'))).to.have.all.keys(one);
    expect(see(cache.pods, 'p', labelled('two'))).to.have.all.keys(one, two);
    expect(see(cache.pods, 'p')).to.have.all.keys(two);
    expect(see(cache.pods, 'p')).to.be.empty;
  });

  for (const kind of childResources.keys()) {
    it(`is the tunnels that a ${kind} names by label or owner, now or before`, () => {
      const child = cache.children(kind);
      expect(see(child, 'c', { ...labelled('one'), ...ownedBy('one') })).to.have.all.keys(one);
      expect(see(child, 'c', { ...labelled('two'), ...ownedBy('one') })).to.have.all.keys(one, two);
      expect(see(child, 'c', ownedBy('one'))).to.have.all.keys(one, two);
      expect(see(child, 'c')).to.have.all.keys(one);
    });
  }

  it('is, where grants changed, the tunnels to that namespace from others', () => {
    const to = (name: string, namespace?: string) => {
      const made = tunnelOf({
        target: { service: { name: 'app', port: 80, ...(namespace && { namespace }) } },
      });
      const owners = { foreign: [], updaters: [], applied: true };
      return { ...made, metadata: { ...made.metadata, name }, owners };
    };
    const all = [to('own'), to('same', 'shop'), to('a', 'a'), to('b', 'b')];
    expect(crossNamespaceTunnels(all, 'a')).to.deep.equal(['shop/a']);
    expect(crossNamespaceTunnels(all, undefined)).to.deep.equal(['shop/a', 'shop/b']);
    expect(crossNamespaceTunnels(all, 'shop')).to.deep.equal([]);
  });
});
