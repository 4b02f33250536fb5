// An API server that restarts, forgets, refuses, cuts or stalls watches, and a control plane that fails for a while: what
// others changed meanwhile is put right, requests stay few, and what runs is not touched. Minutes pass in seconds here.

import { expect } from 'chai';
import { childNames } from '../../src/api/names.ts';
import { events } from '../../src/kube/events.ts';
import { configMaps, deployments, roleBindings, services } from '../../src/kube/well-known.ts';
import { ApiProxy } from '../support/api-proxy.ts';
import { untilEstablished } from '../support/crds.ts';
import { eventually } from '../support/eventually.ts';
import { LocalManager } from '../support/local-manager.ts';
import { ManagerHarness } from '../support/manager-harness.ts';
import { grantOf, grantResource, installReferenceGrants } from '../support/reference-grants.ts';
import { tunnelResource } from '../support/rstream-resources.ts';
import {
  ASKING_FLAGS,
  answer,
  type ControlPlaneAnswer,
  project,
  ScriptedControlPlane,
} from '../support/scripted-control-plane.ts';
import { StatusHistory } from '../support/status-history.ts';
import { worldState } from '../support/world-state.ts';

/** A watch that is silent for 75 s is opened again after four, and ten minutes are half a minute. */
const speed = 20;
/** Ten minutes between refreshes are ten seconds. */
const refreshSpeed = 60;
const patience = { timeoutMs: 90_000, everyMs: 100 };
const tunnels = ['t0', 't1', 't2'];
/** Eleven informers start anew, and try again every second or two while there is no answer; without pauses it were thousands. */
const few = (sinceMs: number) => 200 + ((performance.now() - sinceMs) / 1000) * 20;

describe('the manager and an API server in trouble', function () {
  this.timeout(480_000);
  let harness: ManagerHarness;
  let proxy: ApiProxy;
  let local: LocalManager;
  let namespace: string;
  let wanted: Record<string, unknown>;

  before(async () => {
    harness = await ManagerHarness.start();
    proxy = await ApiProxy.start(harness.server);
    local = await LocalManager.start({ kubeconfig: proxy.kubeconfig, speed });
    namespace = await harness.namespace();
    await harness.world(namespace, {}, 't0');
    for (const name of tunnels.slice(1)) await harness.tunnelOf(namespace, {}, name);
    for (const name of tunnels) await harness.reason(namespace, 'Ready', 'WaitingForDeployment', name);
    await eventually('every watch stands', () => proxy.watches >= 11, patience);
    wanted = await worldState(harness, namespace);
  });
  after(async () => {
    await local?.stop();
    await proxy?.stop();
    await harness?.stop();
  });

  /** Done behind the manager's back: one child deleted, one edited, one broken. */
  async function vandalize(): Promise<void> {
    const us = { fieldManager: 'vandal' };
    const uids = await Promise.all(
      tunnels.map(async (name) => (await harness.tunnel(namespace, name)).metadata.uid),
    );
    const [first, second, third] = tunnels.map((name, index) => childNames(name, uids[index] ?? ''));
    await harness.client.delete(deployments, { namespace, name: first?.base ?? '' });
    const data = { 'config.yaml': 'broken' };
    await harness.client.mergePatch(configMaps, { namespace, name: second?.config ?? '' }, { data }, us);
    await harness.client.mergePatch(
      roleBindings,
      { namespace, name: third?.base ?? '' },
      { subjects: null },
      us,
    );
  }

  async function isRight(): Promise<void> {
    await eventually(
      'all is as it was',
      async () => {
        expect(await worldState(harness, namespace)).to.deep.equal(wanted);
        return true;
      },
      patience,
    );
  }

  const faults: Record<string, () => Promise<void>> = {
    'its watches are cut': async () => {
      proxy.cut();
      await vandalize();
    },
    'its watches stall': async () => {
      proxy.stall();
      await vandalize();
    },
    'its watches are answered with 410': async () => {
      proxy.gone = true;
      proxy.cut();
      await vandalize();
      const before = proxy.requests.length;
      await eventually('every informer has met it', () => proxy.requests.length > before + 22, patience);
      proxy.gone = false;
    },
    'it restarts': async () => {
      await harness.server.stopApiserver('SIGKILL');
      const before = proxy.requests.length;
      await eventually('the manager has noticed', () => proxy.requests.length > before + 22, patience);
      await harness.server.startApiserver();
      await vandalize();
    },
    'it restarts and has forgotten the past': async () => {
      await harness.server.stopApiserver('SIGKILL');
      await harness.server.compactEtcd();
      await harness.server.startApiserver();
      await vandalize();
    },
  };

  for (const [what, fault] of Object.entries(faults)) {
    it(`converges when ${what}`, async () => {
      const [before, sinceMs] = [proxy.requests.length, performance.now()];
      await fault();
      await isRight();
      expect(proxy.requests.length - before).to.be.below(few(sinceMs));
      await eventually('every watch stands', () => proxy.watches >= 11, patience);
    });
  }

  it('writes nothing of a tunnel onto its successor of the same name before it has heard of that one', async () => {
    const own = await harness.namespace();
    await harness.world(own, { tunnelName: 'predecessor' });
    await harness.reason(own, 'Ready', 'WaitingForDeployment');
    proxy.stall('/rstreamtunnels');
    await harness.client.delete(tunnelResource, { namespace: own, name: 'web' });
    await harness.tunnelOf(own, { tunnelName: 'successor' });
    const history = await StatusHistory.follow(harness.client, own, 'web');

    await harness.client.delete(services, { namespace: own, name: 'app' });
    const said = await harness.reason(own, 'Ready', 'ServiceMissing');
    await history.upTo(said.metadata.resourceVersion ?? '');
    await history.stop();
    expect(history.values(({ status }) => status?.rstreamName)).to.not.include('predecessor');
  });

  /** Connection and tunnel of one namespace, whose control plane answers what the test says. */
  async function askingWorld(plane: ScriptedControlPlane): Promise<string> {
    const own = await harness.namespace();
    await Promise.all([harness.secret(own), harness.service(own)]);
    await harness.connection(own, { projectEndpoint: 'ab12cd34', apiURL: plane.url });
    await harness.tunnelOf(own);
    await harness.reason(own, 'Ready', 'WaitingForDeployment');
    return own;
  }

  /** From well to failing at the next refresh and back; resolves with how often it was asked, per minute of its clock. */
  async function refreshThrough(failing: ControlPlaneAnswer, reason: string): Promise<number> {
    const plane = await ScriptedControlPlane.start();
    try {
      const own = await askingWorld(plane);
      const before = await worldState(harness, own);
      const children = (state: Record<string, unknown>) => ({ ...state, 'status of web': undefined });
      plane.answer = failing;
      const [asked, sinceMs] = [plane.requests.length, performance.now()];
      await harness.connectionReason(own, reason);
      const meanwhile = await worldState(harness, own);
      if (reason === 'ResolutionStale') expect(meanwhile).to.deep.equal(before);
      else await harness.reason(own, 'Ready', 'ConnectionNotReady');
      expect(children(meanwhile)).to.deep.equal(children(before));

      plane.answer = answer(200, project);
      await harness.connectionReason(own, 'Ready');
      const minutes = ((performance.now() - sinceMs) * refreshSpeed) / 60_000;
      await eventually(
        'all is as it was',
        async () => {
          expect(await worldState(harness, own)).to.deep.equal(before);
          return true;
        },
        patience,
      );
      await eventually('it was told once', async () => {
        const { items } = await harness.client.list(events, { namespace: own });
        const told = items.filter((event) => event.regarding?.kind === 'RstreamConnection');
        const news = told.filter((event) => event.reason !== 'Resolved');
        expect(news.map((event) => [event.reason, event.series])).to.deep.equal([[reason, undefined]]);
        return true;
      });
      return (plane.requests.length - asked) / (8 + 2 * minutes);
    } finally {
      await plane.stop();
    }
  }

  it('tells which right is missing where grants may not be read, and goes on when it is there', async () => {
    await local.stop();
    proxy.forbidden = '/referencegrants';
    await installReferenceGrants(harness.server);
    await untilEstablished(harness.server);
    const [own, other] = [await harness.namespace(), await harness.namespace()];
    await harness.service(other);
    await harness.put(grantResource, grantOf(other, { namespace: own }));
    const target = { service: { name: 'app', port: 80, namespace: other } };
    await harness.world(own, { target });
    local = await LocalManager.start({ kubeconfig: proxy.kubeconfig, speed });
    const blocked = await harness.reason(own, 'Ready', 'RefNotPermitted');
    expect(blocked.status?.conditions?.find(({ type }) => type === 'Resolved')?.message).to.include(
      'the operator may not list and watch referencegrants.gateway.networking.k8s.io',
    );
    proxy.forbidden = undefined;
    await harness.reason(own, 'Resolved', 'Resolved');
  });

  it('keeps engine and agents when a control plane fails at a refresh, says so, asks seldom and heals', async () => {
    await local.stop();
    local = await LocalManager.start({
      kubeconfig: proxy.kubeconfig,
      speed: refreshSpeed,
      args: ASKING_FLAGS,
    });
    const asked = await Promise.all([
      refreshThrough(answer(429, '', { 'retry-after': '90' }), 'ResolutionStale'),
      refreshThrough(answer(500, ''), 'ResolutionStale'),
      refreshThrough(answer(200, '<html>'), 'ResolutionStale'),
      refreshThrough((response) => response.destroy(), 'ResolutionStale'),
      refreshThrough(answer(401, ''), 'Unauthorized'),
      refreshThrough(answer(403, ''), 'Forbidden'),
      refreshThrough(answer(404, ''), 'ProjectNotFound'),
    ]);
    for (const share of asked) expect(share).to.be.below(1);
  });
});
