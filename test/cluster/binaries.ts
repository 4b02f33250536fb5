// What the test cluster is built from: one step per group of Go programs, each from a module version that go.sum or the
// Go checksum database pins. A step knows its own inputs, so that it is repeated exactly when one of them changes.

import { createHash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  cniPluginsVersion,
  containerdVersion,
  helmVersion,
  kubernetesVersion,
  kwokVersion,
} from './settings.ts';

export interface BuildStep {
  readonly name: string;
  /** Seconds on two cores with nothing cached: only to tell people what to expect. */
  readonly coldSeconds: number;
  /** Arguments of `go`; programs land in GOBIN or, with `-o`, in `{out}`. */
  readonly goArguments: readonly string[];
  /** Folder of the Go module to build in; absent for programs built straight from their published module. */
  readonly module?: string;
  /** Below the binaries folder. */
  readonly programs: readonly string[];
  /** No node needs it. */
  readonly onlyForTests?: true;
}

const goFolder = join(import.meta.dirname, 'go');
const small = '-s -w';

export const buildSteps: readonly BuildStep[] = [
  {
    name: 'helpers (nsfwd, pause)',
    coldSeconds: 10,
    module: 'tools',
    goArguments: ['build', '-trimpath', '-ldflags', small, '-o', '{out}', './nsfwd', './pause'],
    programs: ['nsfwd', 'pause'],
  },
  {
    name: 'etcd',
    coldSeconds: 25,
    module: 'kubernetes',
    goArguments: ['build', '-trimpath', '-ldflags', small, '-o', '{out}etcd', 'go.etcd.io/etcd/server/v3'],
    programs: ['etcd'],
  },
  kubernetes('Kubernetes control plane and kubectl', 415, [
    'kube-apiserver',
    'kube-controller-manager',
    'kube-scheduler',
    'kubectl',
  ]),
  kubernetes('kubelet and kube-proxy', 45, ['kubelet', 'kube-proxy']),
  containerd('containerd and ctr', 85, 'no_btrfs,no_zfs,no_devmapper,no_aufs,no_tracing', [
    'containerd',
    'ctr',
  ]),
  containerd('containerd shim', 15, 'no_grpc', ['containerd-shim-runc-v2']),
  {
    name: 'CNI plugins',
    coldSeconds: 5,
    goArguments: [
      'install',
      '-trimpath',
      '-ldflags',
      small,
      ...['plugins/main/ptp', 'plugins/main/loopback', 'plugins/ipam/host-local'].map(
        (path) => `github.com/containernetworking/plugins/${path}@v${cniPluginsVersion}`,
      ),
    ],
    programs: ['ptp', 'loopback', 'host-local'],
  },
  {
    name: 'CoreDNS',
    coldSeconds: 65,
    module: 'dns',
    goArguments: ['build', '-trimpath', '-ldflags', small, '-o', '{out}coredns', '.'],
    programs: ['coredns'],
  },
  {
    name: 'Helm',
    coldSeconds: 110,
    goArguments: ['install', '-trimpath', '-ldflags', small, `helm.sh/helm/v4/cmd/helm@v${helmVersion}`],
    programs: ['helm'],
    onlyForTests: true,
  },
  {
    name: 'kwok (a fake node for tests of scale)',
    coldSeconds: 95,
    goArguments: ['install', '-trimpath', '-ldflags', small, `sigs.k8s.io/kwok/cmd/kwok@v${kwokVersion}`],
    programs: ['kwok'],
    onlyForTests: true,
  },
];

/** What a node consists of. */
export const nodeSteps = buildSteps.filter(({ onlyForTests }) => !onlyForTests);

/** Changes when anything changes that the step's programs depend on, apart from the Go toolchain. */
export function stepDigest(step: BuildStep): string {
  const hash = createHash('sha256').update(JSON.stringify([step.goArguments, step.programs]));
  if (step.module !== undefined) {
    const folder = join(goFolder, step.module);
    for (const file of globSync('**/*.{go,mod,sum}', { cwd: folder }).sort()) {
      hash.update(`\0${file}\0`).update(readFileSync(join(folder, file)));
    }
  }
  return hash.digest('hex');
}

export function moduleFolder(step: BuildStep): string | undefined {
  return step.module === undefined ? undefined : join(goFolder, step.module);
}

function kubernetes(name: string, coldSeconds: number, programs: readonly string[]): BuildStep {
  const [major, minor] = kubernetesVersion.split('.');
  const version = {
    gitVersion: `v${kubernetesVersion}`,
    gitMajor: major,
    gitMinor: minor,
    gitTreeState: 'clean',
  };
  const flags = Object.entries(version).map(
    ([key, value]) => `-X k8s.io/component-base/version.${key}=${value}`,
  );
  return {
    name,
    coldSeconds,
    module: 'kubernetes',
    goArguments: [
      'build',
      '-trimpath',
      '-ldflags',
      [small, ...flags].join(' '),
      '-o',
      '{out}',
      ...programs.map((program) => `k8s.io/kubernetes/cmd/${program}`),
    ],
    programs,
  };
}

function containerd(name: string, coldSeconds: number, tags: string, programs: readonly string[]): BuildStep {
  const module = 'github.com/containerd/containerd/v2';
  const flags = `${small} -X ${module}/version.Version=${containerdVersion} -X ${module}/version.Package=${module}`;
  return {
    name,
    coldSeconds,
    goArguments: [
      'install',
      '-trimpath',
      '-tags',
      tags,
      '-ldflags',
      flags,
      ...programs.map((program) => `${module}/cmd/${program}@v${containerdVersion}`),
    ],
    programs,
  };
}
