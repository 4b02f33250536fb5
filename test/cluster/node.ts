// One running node: starting, stopping, and what others do with it (kubectl, programs inside, images, forwarded ports).
// Stopping is a hard kill of the node's PID 1, which ends every process, mount, link and rule made inside.

import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { cgroupFolders, cgroupVersion, makeCgroup, removeCgroup, v1Controllers } from './cgroup.ts';
import { systemImageFiles } from './images.ts';
import { nodeConfigFiles } from './node-config.ts';
import { kubeconfig, writePki } from './pki.ts';
import {
  isAlive,
  killProcess,
  type ProcessHandle,
  processHandle,
  startDetached,
  waitFor,
} from './process.ts';
import { binariesFolder, type NodePaths, network, nodeMemoryBytes, nodePaths } from './settings.ts';

const run = promisify(execFile);

interface NodeState {
  /** PID 1 of the node, as seen from the host. */
  readonly init: ProcessHandle;
  readonly forwarders: readonly ProcessHandle[];
}

export interface StartOptions {
  readonly name: string;
  /** OCI archives to import besides the system's own. */
  readonly images?: readonly string[];
  readonly say: (line: string) => void;
  readonly signal?: AbortSignal;
}

export async function isNodeUp(name: string): Promise<boolean> {
  const state = readState(nodePaths(name));
  return state !== undefined && isAlive(state.init);
}

/** Starts the node and waits until pods can be run and find each other by name. Returns its kubeconfig; idempotent. */
export async function startNode(options: StartOptions): Promise<string> {
  const paths = nodePaths(options.name);
  if (process.getuid?.() !== 0)
    throw new Error('a node needs root: it makes namespaces, mounts and cgroups of its own');
  if (await isNodeUp(options.name)) return paths.kubeconfig;

  await stopNode(options.name);
  await prepare(paths);
  try {
    const init = await startInit(paths, options);
    writeState(paths, { init, forwarders: [] });
    const address = await forward(options.name, `${network.nodeIp}:${network.apiPort}`);
    writeFileSync(paths.kubeconfig, kubeconfig(paths, 'admin', address), { mode: 0o600 });
    await waitUntilUsable(paths, options);
  } catch (error) {
    const logs = spawnSync('tail', ['-n', '3', ...logFiles(paths)], { encoding: 'utf8' }).stdout;
    await stopNode(options.name);
    throw new Error(`the node did not start; the ends of its logs:\n${logs}`, { cause: error });
  }
  return paths.kubeconfig;
}

/** Ends the node and removes every trace of it; nothing happens when there is none. */
export async function stopNode(name: string): Promise<void> {
  const paths = nodePaths(name);
  const state = readState(paths);
  if (state) {
    for (const forwarder of state.forwarders) await killProcess(forwarder);
    await killProcess(state.init);
  }
  if (cgroupFolders(paths.cgroup).some((folder) => existsSync(folder))) await removeCgroup(paths.cgroup);
  rmSync(paths.folder, { recursive: true, force: true });
}

/** Runs a program inside the node's namespaces and returns what it printed. */
export async function execInNode(name: string, command: readonly string[]): Promise<string> {
  const state = requireState(name);
  const { stdout } = await run(
    'nsenter',
    ['-t', String(state.init.pid), '-m', '-n', '-p', '-u', '-i', '-C', '--', ...command],
    {
      env: { ...process.env, PATH: `${binariesFolder()}:/usr/sbin:/sbin:${process.env.PATH}` },
      maxBuffer: 2 ** 26,
    },
  );
  return stdout;
}

/** Makes an OCI archive's images usable by pods; the kubelet never pulls anything here. */
export async function importImage(name: string, archive: string): Promise<void> {
  await execInNode(name, ['ctr', '-n', 'k8s.io', 'images', 'import', archive]);
}

/** Opens a free port of 127.0.0.1 that leads to an address as the node sees it (its own, a pod's, a Service's). */
export async function forward(name: string, target: string): Promise<string> {
  const paths = nodePaths(name);
  const state = requireState(name);
  const log = join(paths.logs, `forward-${state.forwarders.length}.log`);
  const namespace = `/proc/${state.init.pid}/ns/net`;
  const pid = startDetached(join(binariesFolder(), 'nsfwd'), [namespace, `127.0.0.1:0=${target}`], log);
  const forwarder = processHandle(pid);
  if (forwarder) writeState(paths, { ...state, forwarders: [...state.forwarders, forwarder] });

  return waitFor(`a port that leads to ${target}`, 10_000, () => {
    const line = readFileSync(log, 'utf8').split('\n')[0] ?? '';
    if (line.startsWith('nsfwd:')) throw new Error(line);
    return line === '' ? undefined : line;
  });
}

/** Runs kubectl against the node and returns what it printed. */
export async function kubectl(name: string, args: readonly string[]): Promise<string> {
  const paths = nodePaths(name);
  const { stdout } = await run(
    join(binariesFolder(), 'kubectl'),
    ['--kubeconfig', paths.kubeconfig, ...args],
    {
      env: { ...process.env, KUBECACHEDIR: join(paths.folder, 'kubecache') },
      maxBuffer: 2 ** 26,
    },
  );
  return stdout;
}

async function prepare(paths: NodePaths): Promise<void> {
  mkdirSync(paths.logs, { recursive: true });
  await writePki(paths);
  writeFileSync(
    join(paths.pki, 'local.kubeconfig'),
    kubeconfig(paths, 'admin', `127.0.0.1:${network.apiPort}`),
    { mode: 0o600 },
  );
  for (const [file, text] of nodeConfigFiles(paths, runcProgram())) {
    mkdirSync(dirname(join(paths.folder, file)), { recursive: true });
    writeFileSync(join(paths.folder, file), text);
  }
  makeCgroup(paths.cgroup, nodeMemoryBytes);
}

function runcProgram(): string {
  const found = ['/usr/sbin/runc', '/usr/bin/runc', '/usr/local/sbin/runc'].find((file) => existsSync(file));
  if (!found) throw new Error('runc is not installed; apt-get install runc');
  return found;
}

async function startInit(paths: NodePaths, options: StartOptions): Promise<ProcessHandle> {
  const images = [...(await systemImageFiles()), ...(options.images ?? [])];
  const enterCgroup = cgroupFolders(paths.cgroup).map((folder) => `echo $$ >${folder}/cgroup.procs`);
  const namespaces = [
    '--cgroup',
    '--mount',
    '--pid',
    '--net',
    '--uts',
    '--ipc',
    '--fork',
    '--kill-child',
    '--mount-proc',
  ];
  const script = [
    ...enterCgroup,
    `exec unshare ${namespaces.join(' ')} ${join(import.meta.dirname, 'init.sh')}`,
  ];
  const pid = startDetached('bash', ['-ec', script.join('\n')], join(paths.logs, 'init.log'), {
    env: { ...process.env, ...initEnvironment(paths, images) },
  });
  return waitFor('the node’s first process', 10_000, () => {
    if (!processHandle(pid)) throw new Error('the node’s first process ended');
    const child = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0];
    // Before unshare has replaced bash, the children are bash's own.
    return child && readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'unshare'
      ? processHandle(Number(child))
      : undefined;
  });
}

function initEnvironment(paths: NodePaths, images: readonly string[]): Record<string, string> {
  return {
    RUN: paths.folder,
    BIN: binariesFolder(),
    RUNC: runcProgram(),
    IMAGES: images.join(' '),
    MANIFESTS: join(import.meta.dirname, 'manifests'),
    CGROUP_VERSION: String(cgroupVersion()),
    CGROUP_CONTROLLERS: v1Controllers.join(' '),
    NODE_NAME: network.nodeName,
    NODE_IP: network.nodeIp,
    API_PORT: String(network.apiPort),
    ETCD_PORT: String(network.etcdPort),
    ETCD_PEER_PORT: String(network.etcdPeerPort),
    POD_CIDR: network.podCidr,
    SERVICE_CIDR: network.serviceCidr,
  };
}

async function waitUntilUsable(paths: NodePaths, { name, say, signal }: StartOptions): Promise<void> {
  const quiet = (probe: () => Promise<boolean>) => () =>
    probe().then(
      (done) => done || undefined,
      () => undefined,
    );
  const step = (what: string) => readSteps(paths).includes(what) || undefined;
  const init = requireState(name).init;
  const alive =
    <T>(probe: () => T) =>
    () => {
      if (!isAlive(init)) throw new Error('the node’s first process ended');
      return probe();
    };

  await waitFor(
    'the API server',
    60_000,
    alive(() => step('apiserver')),
    signal,
  );
  say('the API server answers');
  const ready = '-o=jsonpath={.status.conditions[?(@.type=="Ready")].status}';
  const isReady = quiet(
    async () => (await kubectl(name, ['get', 'node', network.nodeName, ready])) === 'True',
  );
  await waitFor('the node to be Ready', 60_000, alive(isReady), signal);
  say('the node is Ready');
  await waitFor(
    'images and manifests',
    60_000,
    alive(() => step('images') && step('manifests')),
    signal,
  );
  await kubectl(name, ['-n', 'kube-system', 'rollout', 'status', 'deployment/coredns', '--timeout=60s']);
  // Ready is not reachable yet: kube-proxy has to know the Service too.
  const dnsRule = quiet(async () =>
    (await execInNode(name, ['nft', 'list', 'map', 'ip', 'kube-proxy', 'service-ips'])).includes(
      `${network.dnsIp} . udp . 53`,
    ),
  );
  await waitFor('cluster DNS to be reachable', 30_000, alive(dnsRule), signal);
  say('cluster DNS answers');
}

function readSteps(paths: NodePaths): readonly string[] {
  const file = join(paths.folder, 'steps');
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.slice(line.indexOf(' ') + 1));
}

function logFiles(paths: NodePaths): readonly string[] {
  return ['init', 'apiserver', 'kubelet', 'containerd', 'exits']
    .map((log) => join(paths.logs, `${log}.log`))
    .filter((file) => existsSync(file));
}

function readState(paths: NodePaths): NodeState | undefined {
  const file = join(paths.folder, 'state.json');
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
}

function requireState(name: string): NodeState {
  const state = readState(nodePaths(name));
  if (!state) throw new Error(`the node ${name} is not running; start it with make cluster-up`);
  return state;
}

function writeState(paths: NodePaths, state: NodeState): void {
  writeFileSync(join(paths.folder, 'state.json'), JSON.stringify(state));
}
