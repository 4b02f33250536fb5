// One agent, put together: what its settings name, wired up and run until it is told to stop.

import { Backoff } from '../common/backoff.ts';
import type { Clock } from '../common/clock.ts';
import { type HealthServer, startHealthServer } from '../common/health-server.ts';
import type { Logger } from '../common/logging.ts';
import { OPERATOR_VERSION } from '../common/version.ts';
import { KubeClient } from '../kube/client.ts';
import { inClusterCredentials } from '../kube/in-cluster.ts';
import { openControlChannel } from '../rstream/control-channel.ts';
import { Forwarder } from './forwarder.ts';
import { MemoryBound } from './memory-bound.ts';
import { AgentMetrics } from './metrics.ts';
import { Pulse } from './pulse.ts';
import type { AgentSettings } from './settings.ts';
import { AgentState, unreadiness } from './state.ts';
import { StatusReporter } from './status-reporter.ts';
import { Supervisor } from './supervisor.ts';
import { TargetHealth } from './target-health.ts';
import { TunnelHolder } from './tunnel-holder.ts';
import { isLocked } from './tunnel-request.ts';

export interface AgentEnvironment {
  readonly clock: Clock;
  readonly log: Logger;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Runs until `stop` aborts and every stream has ended or its time is up. Rejects only when it cannot start. */
export async function runAgent(
  settings: AgentSettings,
  { clock, log, env }: AgentEnvironment,
  stop: AbortSignal,
): Promise<void> {
  const state = new AgentState(settings.redact);
  const pulse = new Pulse(clock);
  const metrics = new AgentMetrics(clock);
  const health = new TargetHealth(() => reporter?.targetChanged());
  const kube = settings.report && kubeClient(clock, env);
  const reporter = kube && statusReporter(settings, { client: kube, state, target: health, clock, log });
  const forwarder = new Forwarder({ target: settings.target, clock, log, metrics, health });
  const supervisor = supervise(settings, { state, pulse, metrics, clock, log, forwarder, reporter });
  const server = await serveHealth(settings, state, pulse, metrics);

  log.info({ healthPort: server.port, engine: settings.config.connection.engine }, 'started');
  const reporting = reporter?.run(stop);
  await supervisor.run(stop);
  await reporting;
  kube?.close();
  settings.transport.close();
  await server.close();
}

type Parts = Pick<
  ConstructorParameters<typeof TunnelHolder>[0],
  'state' | 'pulse' | 'metrics' | 'clock' | 'log'
> & {
  readonly forwarder: Forwarder;
  readonly reporter: StatusReporter | undefined;
};

function supervise(settings: AgentSettings, parts: Parts): Supervisor {
  const { transport, engine, token, request, retry, release, drainMs, report } = settings;
  const live = parts.reporter?.live;
  const backoff = new Backoff(retry);
  const podName = report?.podName;
  const holder = new TunnelHolder({ ...parts, request, backoff, live, podName, release, drainMs });
  const memory = new MemoryBound(parts);
  const hasRoom = (underWay: number) => memory.hasRoom(parts.forwarder.active, underWay);
  const channel = { engine, transport, token, version: OPERATOR_VERSION, clock: parts.clock, hasRoom };
  return new Supervisor({ ...parts, open: openControlChannel, channel, holder, backoff });
}

function kubeClient(clock: Clock, env: AgentEnvironment['env']): KubeClient {
  const credentials = inClusterCredentials({ clock, env });
  return new KubeClient({
    credentials,
    clock,
    userAgent: 'rstream-agent',
    maxConnections: 2,
    maxBodyBytes: 4 * 1024 * 1024,
  });
}

function statusReporter(
  { report, config, request }: AgentSettings,
  parts: Pick<
    ConstructorParameters<typeof StatusReporter>[0],
    'client' | 'state' | 'target' | 'clock' | 'log'
  >,
): StatusReporter | undefined {
  if (!report) return undefined;
  const targetAddress = `${config.target.host}:${config.target.port}`;
  return new StatusReporter({ ...parts, ...report, targetAddress, stableAddress: isLocked(request) });
}

function serveHealth(
  settings: AgentSettings,
  state: AgentState,
  pulse: Pulse,
  metrics: AgentMetrics,
): Promise<HealthServer> {
  return startHealthServer({
    bindAddress: settings.healthBindAddress,
    flag: '--health-bind-address',
    healthz: () => pulse.failure(),
    readyz: () => unreadiness(state.tunnel),
    metrics: metrics.registry,
  });
}
