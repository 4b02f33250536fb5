// The manager's rights are exactly what it uses: it is refused nothing, and every right it was given is needed, for the
// whole cluster (dist/operator.yaml) and for listed namespaces (no ClusterRole). What an agent's Role allows, and nothing more.

import { readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, Chart } from 'cdk8s';
import { expect } from 'chai';
import { parseAllDocuments } from 'yaml';
import { Operator } from '../../charts-ts/operator.ts';
import { LEGACY_FINALIZER } from '../../src/api/group.ts';
import { CHILD_LABEL } from '../../src/api/names.ts';
import { systemClock } from '../../src/common/clock.ts';
import { KubeClient } from '../../src/kube/client.ts';
import { ApiError } from '../../src/kube/errors.ts';
import { events } from '../../src/kube/events.ts';
import { kubeconfigCredentials } from '../../src/kube/kubeconfig.ts';
import {
  configMaps,
  deployments,
  leases,
  podDisruptionBudgets,
  roleBindings,
  roles,
  secrets,
  serviceAccounts,
} from '../../src/kube/well-known.ts';
import {
  AUDIT_POLICY,
  auditEvents,
  type Right,
  type RoleLike,
  refusedIn,
  rightsOf,
  unusedIn,
  usesIn,
} from '../support/audit-log.ts';
import { eventually } from '../support/eventually.ts';
import { writeKubeconfig } from '../support/kubeconfig-file.ts';
import { LocalManager } from '../support/local-manager.ts';
import { ManagerHarness } from '../support/manager-harness.ts';
import { installReferenceGrants } from '../support/reference-grants.ts';
import { childrenOf, connectionResource, tunnelResource } from '../support/rstream-resources.ts';

const account = 'rstream-operator';
const username = `system:serviceaccount:rstream-system:${account}`;
const patience = { timeoutMs: 60_000, everyMs: 50 };

describe('the manager’s rights', function () {
  this.timeout(480_000);
  let harness: ManagerHarness;
  let kubeconfig: string;

  before(async () => {
    const auditPolicy = join(tmpdir(), `audit-policy-${process.pid}.json`);
    writeFileSync(auditPolicy, AUDIT_POLICY);
    harness = await ManagerHarness.start({ auditPolicy });
    await installReferenceGrants(harness.server);
  });
  after(async () => await harness?.stop());

  async function kubeconfigOf(namespace: string, name: string): Promise<string> {
    const { server } = harness;
    const token = (await server.kubectl(['create', 'token', name, '-n', namespace])).trim();
    const file = join(server.directory, `${namespace}-${name}.kubeconfig`);
    writeKubeconfig(file, { server: server.url, caFile: server.caFile, token });
    return file;
  }

  /** Applies an installation and returns the roles in it; the manager runs here and not in its Deployment. */
  async function install(manifests: readonly RoleLike[]): Promise<readonly RoleLike[]> {
    const items = manifests.filter(({ kind }) => kind !== 'Deployment');
    const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
    await harness.server.kubectl(['apply', '--server-side', '-f', '-'], list);
    kubeconfig = await kubeconfigOf('rstream-system', account);
    // Those for people bind nobody here.
    return items.filter(({ kind, metadata }) => /Role$/.test(kind) && !/-(view|edit)$/.test(metadata.name));
  }

  /** Everything a manager does in its life, so that every right has its moment. */
  async function liveThroughEverything(namespace: string, args: readonly string[]): Promise<void> {
    const { client } = harness;
    const ref = { namespace, name: 'web' };
    const election = ['--leader-elect', '--leader-election-namespace', 'rstream-system'];
    const times = ['--lease-duration', '15s', '--renew-deadline', '10s', '--retry-period', '500ms'];
    await client.delete(leases, { namespace: 'rstream-system', name: 'rstream-operator.tunnels.rstream.io' });
    const manager = await harness.manager(['--kubeconfig', kubeconfig, ...election, ...times, ...args]);
    await harness.world(namespace, { agent: { replicas: 2 } });
    await harness.reason(namespace, 'Ready', 'WaitingForDeployment');
    await eventually('there is a budget', async () => (await count(podDisruptionBudgets, namespace)) === 1);
    await loseLabels(namespace);
    await harness.tunnelOf(namespace, { suspend: true });
    await eventually(
      'no agent runs',
      async () =>
        (await count(deployments, namespace)) + (await count(podDisruptionBudgets, namespace)) === 0,
      patience,
    );

    // A status written by Update is the Go operator's.
    const connection = { namespace, name: 'default' };
    const options = { fieldManager: 'rstream-agent', subresource: 'status' };
    await client.mergePatch(connectionResource, connection, { status: { region: 'go' } }, options);
    await eventually(
      'the connection’s status is taken over',
      async () => {
        const taken = await client.get(connectionResource, connection);
        return !JSON.stringify(taken?.status).includes('"region"');
      },
      patience,
    );

    const finalizer = [{ op: 'add', path: '/metadata/finalizers', value: [LEGACY_FINALIZER] }] as const;
    await client.jsonPatch(tunnelResource, ref, finalizer, { fieldManager: 'go' });
    await eventually('the Go operator’s finalizer goes', async () => {
      return ((await client.get(tunnelResource, ref))?.metadata.finalizers ?? []).length === 0;
    });
    await manager.stop('SIGTERM');
    await repeatAnEvent(namespace, args);
  }

  /** Without it the manager does not see them any more, and has to look before it applies. */
  async function loseLabels(namespace: string): Promise<void> {
    const { client, server } = harness;
    const kinds = [configMaps, serviceAccounts, roles, roleBindings, deployments, podDisruptionBudgets];
    const names = kinds.map(({ plural }) => plural).join(',');
    const label = CHILD_LABEL.tunnelUid;
    await server.kubectl(['label', names, '-n', namespace, '-l', label, '--overwrite', `${label}-`]);
    await eventually(
      'every child has its label again',
      async () => {
        const labelled = kinds.map((kind) => client.list(kind, { namespace, labelSelector: label }));
        return (await Promise.all(labelled)).every(({ items }) => items.length === 1);
      },
      patience,
    );
  }

  /** On a fast clock: the count of an Event that repeats is written a minute after it. */
  async function repeatAnEvent(namespace: string, args: readonly string[]): Promise<void> {
    const local = await LocalManager.start({ kubeconfig, speed: 60, args });
    try {
      for (const suspend of [false, true, false, true]) {
        await harness.tunnelOf(namespace, { suspend });
        await harness.reason(namespace, 'Ready', suspend ? 'Suspended' : 'WaitingForDeployment');
      }
      await eventually(
        'the repetition is counted',
        async () => {
          const { items } = await harness.client.list(events, { namespace });
          return items.some(({ reason, series }) => reason === 'Suspended' && series !== undefined);
        },
        patience,
      );
    } finally {
      await local.stop();
    }
  }

  async function count(resource: typeof roles, namespace: string): Promise<number> {
    return (await harness.client.list(resource, { namespace })).items.length;
  }

  /** What agents' Roles allow: a manager can only hand on what it has. */
  async function handedOn(namespace: string): Promise<readonly Right[]> {
    const found = await harness.client.list(roles, { namespace });
    const own = found.items.filter(({ metadata }) => metadata.labels?.['rstream.io/tunnel-uid']);
    return rightsOf(own.map((role): RoleLike => ({ ...role, kind: 'Role' })));
  }

  it('are what it uses in the whole cluster', async () => {
    const text = readFileSync('dist/operator.yaml', 'utf8');
    const given = await install(parseAllDocuments(text).map((document): RoleLike => document.toJS()));
    const namespace = await harness.namespace();
    await liveThroughEverything(namespace, []);

    const seen = auditEvents(harness.server.auditLog, username);
    expect(refusedIn(seen)).to.deep.equal([]);
    const uses = [...usesIn(seen), ...(await handedOn(namespace))];
    expect(unusedIn(rightsOf(given), uses)).to.deep.equal([]);
  });

  it('are what it uses in listed namespaces, without a ClusterRole', async () => {
    await harness.server.kubectl([
      'delete',
      'clusterrolebinding,clusterrole',
      '-l',
      'app.kubernetes.io/part-of=rstream',
    ]);
    await harness.server.kubectl([
      'delete',
      'rolebinding,role',
      '-A',
      '-l',
      'app.kubernetes.io/part-of=rstream',
    ]);
    const watched = [await harness.namespace(), await harness.namespace()];
    const chart = new Chart(new App(), 'chart');
    new Operator(chart, 'operator', { watchNamespaces: watched });
    const given = await install(chart.toJson());
    expect(given.map(({ kind }) => kind)).to.not.include('ClusterRole');
    const before = auditEvents(harness.server.auditLog, username).length;

    const flags = watched.flatMap((namespace) => ['--watch-namespace', namespace]);
    for (const namespace of watched) await liveThroughEverything(namespace, flags);

    const seen = auditEvents(harness.server.auditLog, username).slice(before);
    // It asks for the cluster's identity first and takes its own namespace's when it may not have that.
    expect(new Set(refusedIn(seen))).to.deep.equal(new Set(['get /api/v1/namespaces/kube-system']));
    const handed = await Promise.all(watched.map(handedOn));
    const uses = [
      ...usesIn(seen),
      ...handed.flatMap((rights, at) => rights.map((right) => ({ ...right, namespace: watched[at] ?? '' }))),
    ];
    // The second namespace's name is only asked for when the first one's is not known.
    expect(unusedIn(rightsOf(given), uses)).to.deep.equal([`get /namespaces ${watched[1]}`]);
  });

  it('of an agent reach its own tunnel and nothing else', async () => {
    const namespace = await harness.namespace();
    const local = await LocalManager.start({ kubeconfig: harness.server.kubeconfig });
    try {
      await harness.world(namespace);
      await harness.tunnelOf(namespace, {}, 'other');
      await harness.reason(namespace, 'Ready', 'WaitingForDeployment');
      await harness.reason(namespace, 'Ready', 'WaitingForDeployment', 'other');
    } finally {
      await local.stop();
    }
    const { metadata } = await harness.tunnel(namespace);
    const { base } = childrenOf({ metadata });
    const credentials = kubeconfigCredentials({
      file: await kubeconfigOf(namespace, base),
      clock: systemClock,
    });
    const agent = new KubeClient({ credentials, clock: systemClock });
    const own = { namespace, name: 'web' };
    const status = { metadata: own, status: { agentPod: 'p' } };
    const us = { fieldManager: 'rstream-agent' };
    const answerTo = async (work: Promise<unknown>) =>
      await work.then(
        () => 200,
        (error: unknown) => (error instanceof ApiError ? error.status : error),
      );

    try {
      expect(await answerTo(agent.get(tunnelResource, own))).to.equal(200);
      expect(await answerTo(agent.applyStatus(tunnelResource, status, us))).to.equal(200);

      const other = { namespace, name: 'other' };
      const attempts: Record<string, () => Promise<unknown>> = {
        'another tunnel': () => agent.get(tunnelResource, other),
        'another tunnel’s status': () =>
          agent.applyStatus(tunnelResource, { ...status, metadata: other }, us),
        'every tunnel': () => agent.list(tunnelResource, { namespace }),
        'its own spec': () => agent.mergePatch(tunnelResource, own, { spec: { suspend: true } }, us),
        'its end': () => agent.delete(tunnelResource, own),
        'a Secret': () => agent.get(secrets, { namespace, name: 'credentials' }),
        'every Secret': () => agent.list(secrets, { namespace }),
        'its Role': () => agent.get(roles, { namespace, name: base }),
        'its Deployment': () => agent.get(deployments, { namespace, name: base }),
      };
      for (const [what, attempt] of Object.entries(attempts)) {
        expect(await answerTo(attempt()), what).to.equal(403);
      }
    } finally {
      agent.close();
    }
  });
});
