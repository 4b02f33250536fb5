#!/usr/bin/env node
// The manager's entry point: flags in, everything composed, until SIGTERM or the loss of the lease; exit status out.

import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { Registry } from 'prom-client';
import { systemClock } from '../common/clock.ts';
import { messageOf } from '../common/errors.ts';
import { exitStatus } from '../common/exit-status.ts';
import { createLogger, type Logger } from '../common/logging.ts';
import { shutdownSignal } from '../common/shutdown.ts';
import { unlessAborted } from '../common/unless-aborted.ts';
import { KubeClient } from '../kube/client.ts';
import type { Credentials } from '../kube/credentials.ts';
import { inClusterNamespace, isInCluster } from '../kube/in-cluster.ts';
import { LeaderElector } from '../kube/leader-election.ts';
import { KubeMetrics } from '../kube/metrics.ts';
import { RateLimiter } from '../kube/rate-limiter.ts';
import { findClusterId } from './cluster-id.ts';
import { credentialsOf } from './credentials.ts';
import { type ManagerFlags, parseFlags } from './flags.ts';
import { Manager } from './manager.ts';
import { serveManager } from './serving.ts';
import { parseTakeOverFlags, TAKE_OVER_CRDS, takeOverCrds } from './take-over-crds.ts';

const clock = systemClock;

async function main(): Promise<number> {
  const [command, ...rest] = process.argv.slice(2);
  if (command === TAKE_OVER_CRDS) {
    const flags = parseTakeOverFlags(rest);
    const log = createLogger(TAKE_OVER_CRDS);
    return await carryOut(flags, log, async (credentials, shutdown) => {
      const client = new KubeClient({ credentials, clock, userAgent: 'rstream-manager' });
      await takeOverCrds(client, flags, log, shutdown).finally(() => client.close());
      return exitStatus.done;
    });
  }

  const flags = parseFlags(process.argv.slice(2));
  const log = createLogger('manager', { level: flags.logLevel, format: flags.logFormat });
  return await carryOut(flags, log, (credentials, shutdown) => run(flags, credentials, log, shutdown));
}

/** Tells what has to be changed from what failed. */
async function carryOut(
  { kubeconfig }: Pick<ManagerFlags, 'kubeconfig'>,
  log: Logger,
  work: (credentials: Credentials, shutdown: AbortSignal) => Promise<number>,
): Promise<number> {
  let credentials: Credentials;
  try {
    credentials = await credentialsOf(kubeconfig, clock);
  } catch (error) {
    complain(error);
    return exitStatus.usage;
  }
  try {
    return await work(credentials, shutdownSignal());
  } catch (error) {
    log.error({ error }, 'could not run');
    return exitStatus.failed;
  }
}

async function run(
  flags: ManagerFlags,
  credentials: Credentials,
  log: Logger,
  shutdown: AbortSignal,
): Promise<number> {
  const registry = new Registry();
  const metrics = new KubeMetrics(registry);
  const limiter = new RateLimiter({ qps: flags.kubeApiQps, burst: flags.kubeApiBurst, clock });
  const client = new KubeClient({ credentials, clock, limiter, metrics, userAgent: 'rstream-manager' });
  const identity = `${hostname()}_${randomUUID()}`;
  const { HTTPS_PROXY, HTTP_PROXY, NO_PROXY } = process.env;
  const proxies = { HTTPS_PROXY, HTTP_PROXY, NO_PROXY };
  const manager = new Manager({ client, clock, log, registry, metrics, flags, identity, proxies });
  const servers = await serveManager(manager, registry, flags);
  const [probes, scrapes] = servers;
  log.info({ probes: probes?.port, metrics: scrapes?.port }, 'serving probes and metrics');
  try {
    return await work({ manager, client, flags, log, identity, metrics }, shutdown);
  } finally {
    await manager.stop();
    await Promise.all(servers.map((server) => server.close()));
    client.close();
  }
}

interface Work {
  readonly manager: Manager;
  readonly client: KubeClient;
  readonly flags: ManagerFlags;
  readonly log: Logger;
  readonly identity: string;
  readonly metrics: KubeMetrics;
}

/** Caches fill while others lead, so that taking over takes no longer than the Lease. */
async function work(
  { manager, client, flags, log, identity, metrics }: Work,
  shutdown: AbortSignal,
): Promise<number> {
  const ready = prepare({ manager, client, flags, log }, shutdown);
  const doomed = new AbortController();
  ready.catch((error) => doomed.abort(error));
  if (!flags.leaderElect) {
    const clusterId = await unlessStopped(ready, shutdown);
    if (clusterId !== undefined) await manager.lead(client, clusterId, shutdown);
    return exitStatus.done;
  }

  const elector = new LeaderElector({
    client,
    namespace: flags.leaderElectionNamespace ?? (await ownNamespace()),
    name: flags.leaderElectionId,
    identity,
    leaseDurationMs: flags.leaseDuration,
    renewDeadlineMs: flags.renewDeadline,
    retryPeriodMs: flags.retryPeriod,
    clock,
    log,
    metrics,
    lead: async (signal) => {
      const clusterId = await unlessStopped(ready, signal);
      if (clusterId !== undefined) await manager.lead(client.gated(elector.gate), clusterId, signal);
    },
  });
  // Who could not work if it led must not stand by for one that can.
  const end = await elector.run(AbortSignal.any([shutdown, doomed.signal]));
  if (!shutdown.aborted) doomed.signal.throwIfAborted();
  return end === 'lost' ? exitStatus.failed : exitStatus.done;
}

async function prepare(
  { manager, client, flags, log }: Pick<Work, 'manager' | 'client' | 'flags' | 'log'>,
  signal: AbortSignal,
): Promise<string> {
  const watchNamespaces = flags.watchNamespace;
  const [clusterId] = await Promise.all([
    flags.clusterId ?? findClusterId({ client, watchNamespaces, clock, log }, signal),
    manager.start(signal),
  ]);
  return clusterId;
}

/** undefined when the signal aborted first. */
async function unlessStopped<T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  try {
    return await unlessAborted(work, signal);
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  }
}

async function ownNamespace(): Promise<string> {
  return isInCluster(process.env) ? await inClusterNamespace() : 'default';
}

/** Where there is no log yet, or no more. */
function complain(error: unknown): void {
  process.stderr.write(`rstream-manager: ${messageOf(error)}\n`);
}

// No top-level await: the image runs this as one CommonJS file.
main().then(
  (status) => process.exit(status),
  (error) => {
    complain(error);
    process.exit(exitStatus.failed);
  },
);
