// The one place for every version, name, address and folder of the test cluster.

import { homedir } from 'node:os';
import { join } from 'node:path';

export const kubernetesVersion = '1.36.3';
export const containerdVersion = '2.4.2';
export const cniPluginsVersion = '1.9.1';
export const helmVersion = '4.3.1';
export const kwokVersion = '0.8.0';

/** Addresses that exist only inside a node's own network namespace. */
export const network = {
  nodeName: 'node-1',
  nodeIp: '172.30.0.1',
  apiPort: 6443,
  etcdPort: 2379,
  etcdPeerPort: 2380,
  podCidr: '10.244.0.0/24',
  serviceCidr: '10.96.0.0/16',
  kubernetesServiceIp: '10.96.0.1',
  dnsIp: '10.96.0.10',
} as const;

/** Images of the cluster itself; nothing can be pulled, so the names resolve to what was imported. */
export const systemImages = { pause: 'localhost/pause:1', dns: 'localhost/coredns:1' } as const;

/** Memory of the whole node, pods included. */
export const nodeMemoryBytes = 8 * 2 ** 30;

/** Everything that is built or running lives below this folder and nowhere else. */
export function testHome(environment: NodeJS.ProcessEnv = process.env): string {
  return environment.RSTREAM_TEST_HOME || join(homedir(), '.cache', 'rstream-operator');
}

export const binariesFolder = (): string => join(testHome(), 'bin');
export const imagesFolder = (): string => join(testHome(), 'images');

/** Several nodes may run beside each other, told apart by name. */
export interface NodePaths {
  readonly name: string;
  /** What the running node writes; gone when it is stopped. */
  readonly folder: string;
  readonly pki: string;
  readonly logs: string;
  readonly kubeconfig: string;
  /** Its cgroup, below /sys/fs/cgroup (in every hierarchy on cgroup v1). */
  readonly cgroup: string;
}

export function nodePaths(name: string): NodePaths {
  if (!/^[a-z][a-z0-9-]{0,30}$/.test(name))
    throw new RangeError(`"${name}" is not a name for a node; use a-z, 0-9 and -`);
  const folder = join(testHome(), 'run', name);
  return {
    name,
    folder,
    pki: join(folder, 'pki'),
    logs: join(folder, 'log'),
    kubeconfig: join(folder, 'admin.kubeconfig'),
    cgroup: `rstream-${name}`,
  };
}
