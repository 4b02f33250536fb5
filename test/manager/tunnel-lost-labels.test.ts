// Children that the cache does not know any more, because somebody took away the label by which they are watched.

import { expect } from 'chai';
import { childLabels, childNames } from '../../src/api/names.ts';
import { json, status } from '../support/scripted-answers.ts';
import type { Answer } from '../support/scripted-apiserver.ts';
import { tunnelOf } from './fixtures.ts';
import { configMap, ReconcilerWorld, tunnel } from './reconciler-world.ts';

const { signal } = new AbortController();

describe('reconciling a tunnel', () => {
  let world: ReconcilerWorld;

  beforeEach(async () => {
    world = await ReconcilerWorld.start();
  });
  afterEach(async () => await world.server.stop());

  describe('whose ConfigMap is not in the cache', () => {
    const knowing = (target?: string) => [{ ...tunnel(), status: { ...(target && { target }) } }];
    const asked = () => world.server.requests.filter(({ path }) => path.includes('/configmaps/'));
    const { labels, ...unlabelled } = (configMap() as { metadata: { labels: object } }).metadata;

    beforeEach(() => {
      world.server.otherwise('patch', (response, request) => {
        json(200, request.path.includes('/configmaps/') ? configMap() : tunnel())(response, request);
      });
      world.server.otherwise('get', json(200, { ...configMap(), metadata: unlabelled }));
    });

    it('looks for it when its status tells of one, and labels it again: its hostname is in there', async () => {
      const reconciler = world.reconcilerOf(knowing('app.shop.svc:80'));
      await reconciler.reconcile('shop/web', signal);
      expect(asked().map(({ method }) => method)).to.deep.equal(['GET', 'PATCH']);
      expect(asked()[1]?.body).to.deep.equal({ metadata: { uid: 'c', labels } });
      await reconciler.reconcile('shop/web', signal);
      expect(asked()).to.have.length(2);
    });

    it('leaves alone one of that name that belongs to another', async () => {
      const owner = { uid: 'another', controller: true };
      world.server.otherwise('get', json(200, { metadata: { ...unlabelled, ownerReferences: [owner] } }));
      await world.reconcilerOf(knowing('app.shop.svc:80')).reconcile('shop/web', signal);
      expect(asked().map(({ method }) => method)).to.deep.equal(['GET']);
    });

    it('does not look for it when there never was one', async () => {
      await world.reconcilerOf(knowing()).reconcile('shop/web', signal);
      expect(asked()).to.deep.equal([]);
    });
  });

  describe('whose PodDisruptionBudget is not in the cache while no agent is applied', () => {
    const { uid, name, namespace } = tunnelOf().metadata;
    const { base } = childNames(name, uid);
    const labels = childLabels({ uid, name, namespace }, 'agent');
    const running = (replicas: number, spec: object = {}) => {
      const made = tunnel();
      const status = { target: 'app.shop.svc:80', agentDeployment: base };
      return [{ ...made, spec: { ...made.spec, agent: { replicas }, ...spec }, status }];
    };
    const seen = () =>
      world.server.requests
        .filter(({ path }) => path.includes('/poddisruptionbudgets/'))
        .map(({ method, body }) => ({ method, body }));

    beforeEach(() => {
      const owner = { uid, controller: true };
      const metadata = { name: base, namespace, uid: 'b', resourceVersion: '3', ownerReferences: [owner] };
      const found = (given: object): Answer => {
        return (response, request) => {
          const isBudget = request.path.includes('/poddisruptionbudgets/');
          const isTunnel = request.path.includes('/rstreamtunnels/');
          const body = isBudget ? { metadata: { ...metadata, ...given } } : tunnel();
          json(isBudget || isTunnel ? 200 : 404, body)(response, request);
        };
      };
      world.server.otherwise('get', found({})).otherwise('patch', found({ labels, resourceVersion: '4' }));
      world.server.otherwise('delete', status(200, 'Success'));
    });

    it('gives it its label back, so that it can be found when it has to go', async () => {
      const reconciler = world.reconcilerOf(running(2));
      await reconciler.reconcile('shop/web', signal);
      await reconciler.reconcile('shop/web', signal);
      expect(seen()).to.deep.equal([
        { method: 'GET', body: undefined },
        { method: 'PATCH', body: { metadata: { uid: 'b', labels } } },
      ]);
    });

    it('deletes it with the agents', async () => {
      await world.reconcilerOf(running(2, { suspend: true })).reconcile('shop/web', signal);
      expect(seen().map(({ method }) => method)).to.deep.equal(['GET', 'PATCH', 'DELETE']);
    });

    it('looks neither for it nor for a Deployment when there never were agents', async () => {
      const never = { ...tunnel(), spec: { ...tunnel().spec, agent: { replicas: 2 } } };
      await world.reconcilerOf([never]).reconcile('shop/web', signal);
      expect(world.server.seen('get')).to.deep.equal([]);
    });

    it('does not look for one where there is one agent', async () => {
      await world.reconcilerOf(running(1)).reconcile('shop/web', signal);
      expect(seen()).to.deep.equal([]);
    });
  });
});
