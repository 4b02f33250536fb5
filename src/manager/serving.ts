// What the manager serves: probes on one address, metrics on another, so that a NetworkPolicy can tell them apart.

import type { Registry } from 'prom-client';
import { type HealthServer, startHealthServer } from '../common/health-server.ts';
import type { ManagerFlags } from './flags.ts';
import type { Manager } from './manager.ts';

/** /healthz fails when a watch or a worker is stuck, /readyz until the caches are filled and while a watch is refused. */
export async function serveManager(
  manager: Manager,
  registry: Registry,
  flags: Pick<ManagerFlags, 'healthProbeBindAddress' | 'metricsBindAddress'>,
): Promise<readonly HealthServer[]> {
  const probes = await startHealthServer({
    bindAddress: flags.healthProbeBindAddress,
    flag: '--health-probe-bind-address',
    healthz: () => manager.check(),
    readyz: () => manager.deficit,
  });
  try {
    const bindAddress = flags.metricsBindAddress;
    const scrapes = await startHealthServer({
      bindAddress,
      flag: '--metrics-bind-address',
      metrics: registry,
    });
    return [probes, scrapes];
  } catch (error) {
    await probes.close();
    throw error;
  }
}
