// What `make demo` has started and said, for tests that go on with it: the cluster, the engine, the published name.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { binariesFolder, nodePaths } from '../cluster/settings.ts';
import { Kubectl } from '../demo/kubectl.ts';

export const nodeName = 'e2e';
/** What makes `make demo` and `make demo-down` use the tests' own node. */
export const demoEnvironment = { RSTREAM_DEMO_NODE: nodeName };

export interface DemoCluster {
  readonly kubectl: Kubectl;
  /** The engine authority's certificate. */
  readonly certificate: string;
  /** Where the engine's TLS port is reached from this machine. */
  readonly engineHost: string;
  readonly enginePort: number;
  /** The name that `.status.forwardingAddress` gives the tunnel. */
  readonly hostname: string;
  /** The command that the demo shows, for people to try it themselves. */
  readonly curl: string;
}

/** Reads what `make demo` printed. */
export function demoCluster(said: string): DemoCluster {
  const curl = /^\$ (curl .+)$/m.exec(said)?.[1] ?? '';
  const way = /--cacert (\S+) --connect-to ::([\d.]+):(\d+) (\S+)$/.exec(curl);
  if (!way) throw new Error(`the demo showed no curl command:\n${said}`);
  const [, caFile = '', engineHost = '', enginePort, address = ''] = way;
  const paths = nodePaths(nodeName);
  return {
    kubectl: new Kubectl({
      program: join(binariesFolder(), 'kubectl'),
      cluster: ['--kubeconfig', paths.kubeconfig],
      environment: { KUBECACHEDIR: join(paths.folder, 'kubecache') },
    }),
    certificate: readFileSync(caFile, 'utf8'),
    engineHost,
    enginePort: Number(enginePort),
    hostname: new URL(address).hostname,
    curl,
  };
}
