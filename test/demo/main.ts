// `make demo` and `make demo-down`: from a clean clone to a page fetched through a tunnel, and back to nothing.
// A second run skips what is there. Ctrl-C removes everything again.

import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { DEFAULT_IMAGE } from '../../charts-ts/image.ts';
import { buildImage, megabytes } from '../../scripts/build-image.ts';
import { bundleFolder, bundles, writeBundle } from '../../scripts/bundle.ts';
import { nodeSteps } from '../cluster/binaries.ts';
import { buildBinaries } from '../cluster/build.ts';
import { forward, importImage, startNode, stopNode } from '../cluster/node.ts';
import { startEnginePod } from './engine.ts';
import { inFull } from './in-full.ts';
import {
  hasDemo,
  installOperator,
  installSample,
  refuseForeignOperator,
  removeAll,
  waitForTunnel,
} from './install.ts';
import type { Kubectl } from './kubectl.ts';
import { demoNode, engine, sample } from './names.ts';
import { type DemoTarget, demoTarget, intentions, lookAround, targetKubectl } from './target.ts';

const started = performance.now();
const root = dirname(dirname(import.meta.dirname));
const stop = new AbortController();

function say(line: string): void {
  console.log(`[${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s] ${line}`);
}

/** Says what is being done, does it, and says how long it took. */
async function step<T>(what: string, work: () => Promise<T>): Promise<T> {
  stop.signal.throwIfAborted();
  const begun = performance.now();
  say(`${what} …`);
  const result = await work();
  say(`${what}: done in ${((performance.now() - begun) / 1000).toFixed(1)} s`);
  return result;
}

async function up(target: DemoTarget): Promise<void> {
  const kubectl = targetKubectl(target, stop.signal);
  const image = target.kind === 'own-node' ? await prepareNode() : await prepareContext(target, kubectl);
  const bundle = join(bundleFolder, 'engine.cjs');
  const certificate = await step('starting the local engine', () =>
    startEnginePod(kubectl, { image, bundle }),
  );
  await step('installing the operator from dist/', () => installOperator(kubectl, image));
  await step('applying samples/http-server.yaml', () => installSample(kubectl, image, certificate));
  await step('waiting for the tunnel to be Ready', () => waitForTunnel(kubectl, 120));

  await show(kubectl, ['get', 'rstreamconnection,rstreamtunnel', '-o', 'wide']);
  await show(kubectl, ['describe', 'rstreamtunnel', sample.tunnel]);
  await fetchPage(target, kubectl, certificate);
  console.log(`To look around yourself: ${lookAround(target)}\n`);
  say('the demo is up; make demo-down removes it');
}

async function prepareNode(): Promise<string> {
  await step('building Kubernetes from Go modules', () => buildBinaries(say, stop.signal, nodeSteps));
  const image = await step('building the operator image', () => buildImage());
  say(`${image.name} is ${megabytes(image.compressedBytes)} compressed`);
  await step('starting a Kubernetes node', () => startNode({ name: demoNode, say, signal: stop.signal }));
  await step('importing the image', () => importImage(demoNode, image.file));
  return DEFAULT_IMAGE;
}

async function prepareContext(target: DemoTarget & { kind: 'context' }, kubectl: Kubectl): Promise<string> {
  const server = ['config', 'view', '--minify', '-o', 'jsonpath={.clusters[0].cluster.server}'];
  console.log(intentions(target.context, (await kubectl.run(server)).trim()));
  await refuseForeignOperator(kubectl, target.context);
  for (const bundle of bundles) await writeBundle(bundle);
  return target.image;
}

async function show(kubectl: Kubectl, args: readonly string[]): Promise<void> {
  console.log(`\n$ kubectl -n ${sample.namespace} ${args.join(' ')}`);
  console.log(await kubectl.run(['-n', sample.namespace, ...args]));
}

/** curl by the tunnel's own name, through a local port that leads to the engine. */
async function fetchPage(target: DemoTarget, kubectl: Kubectl, certificate: string): Promise<void> {
  const field = ['get', 'rstreamtunnel', sample.tunnel, '-o', 'jsonpath={.status.forwardingAddress}'];
  const address = await kubectl.run(['-n', sample.namespace, ...field]);
  const url = address.includes('://') ? address : `https://${address}`;
  const caFile = join(root, '.build', 'demo', 'engine-ca.crt');
  mkdirSync(dirname(caFile), { recursive: true });
  writeFileSync(caFile, certificate);

  const way = await engineAddress(target, kubectl);
  try {
    const args = [
      '--silent',
      '--show-error',
      '--fail',
      '--max-time',
      '30',
      '--cacert',
      caFile,
      '--connect-to',
      `::${way.address}`,
      url,
    ];
    console.log(`$ curl ${args.join(' ')}`);
    const { stdout } = await promisify(execFile)('curl', args, { signal: stop.signal });
    console.log(stdout);
  } finally {
    way.stop();
  }
}

/** In our own node the port stays open as long as the node runs; elsewhere only while this command does. */
async function engineAddress(
  target: DemoTarget,
  kubectl: Kubectl,
): Promise<{ address: string; stop(): void }> {
  if (target.kind === 'context') {
    const tunnel = await kubectl.portForward(engine.namespace, engine.name, 443);
    return { address: `127.0.0.1:${tunnel.port}`, stop: tunnel.stop };
  }
  const clusterIp = ['get', 'service', engine.name, '-o', 'jsonpath={.spec.clusterIP}'];
  const ip = await kubectl.run(['-n', engine.namespace, ...clusterIp]);
  return { address: await forward(demoNode, `${ip}:443`), stop: () => {} };
}

async function down(target: DemoTarget): Promise<void> {
  if (target.kind === 'own-node') return stopNode(demoNode);
  const kubectl = targetKubectl(target);
  if (await hasDemo(kubectl)) await removeAll(kubectl);
  else say(`there is no demo in "${target.context}"; nothing is removed`);
}

async function main(): Promise<number> {
  const command = process.argv[2];
  if (command !== 'up' && command !== 'down') {
    console.error('usage: main.ts up|down');
    return 2;
  }
  const target = demoTarget(process.env, command);
  if (command === 'down') {
    await step('removing the demo', () => down(target));
    return 0;
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort());
  try {
    await up(target);
    return 0;
  } catch (error) {
    if (!stop.signal.aborted) {
      say('failed; what is there stays for you to look at, and make demo-down removes it');
      throw error;
    }
    say('interrupted; removing the demo');
    await down(target);
    return 130;
  }
}

process.exitCode = await main().catch((error) => {
  console.error(inFull(error));
  return 1;
});
