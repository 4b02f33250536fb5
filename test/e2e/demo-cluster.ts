// The demo on a node of its own for the end-to-end tests: the same code as `make demo`, with a token nobody else knows.

import { join } from 'node:path';
import { DEFAULT_IMAGE } from '../../charts-ts/image.ts';
import { buildImage } from '../../scripts/build-image.ts';
import { bundleFolder } from '../../scripts/bundle.ts';
import { forward, startNode, stopNode } from '../cluster/node.ts';
import { binariesFolder, nodePaths } from '../cluster/settings.ts';
import { startEnginePod } from '../demo/engine.ts';
import { installOperator, installSample, waitForTunnel } from '../demo/install.ts';
import { Kubectl } from '../demo/kubectl.ts';
import { engine, sample } from '../demo/names.ts';

const nodeName = 'e2e';

export interface DemoCluster {
  readonly kubectl: Kubectl;
  /** The engine authority's certificate. */
  readonly certificate: string;
  /** Where the engine's TLS port is reached from this machine. */
  readonly engineHost: string;
  readonly enginePort: number;
  /** The name that `.status.forwardingAddress` gives the tunnel. */
  readonly hostname: string;
  stop(): Promise<void>;
}

/** Starts everything; on failure nothing stays behind. */
export async function startDemoCluster(): Promise<DemoCluster> {
  try {
    return await start();
  } catch (error) {
    await stopNode(nodeName);
    throw error;
  }
}

async function start(): Promise<DemoCluster> {
  const image = await buildImage();
  await startNode({ name: nodeName, images: [image.file], say: () => {} });
  const paths = nodePaths(nodeName);
  const kubectl = new Kubectl({
    program: join(binariesFolder(), 'kubectl'),
    cluster: ['--kubeconfig', paths.kubeconfig],
    environment: { KUBECACHEDIR: join(paths.folder, 'kubecache') },
  });

  const bundle = join(bundleFolder, 'engine.cjs');
  const certificate = await startEnginePod(kubectl, { image: DEFAULT_IMAGE, bundle });
  await installOperator(kubectl, DEFAULT_IMAGE);
  await installSample(kubectl, DEFAULT_IMAGE, certificate);
  await waitForTunnel(kubectl, 120);

  const field = (name: string, path: string) => ['get', name, '-o', `jsonpath={${path}}`];
  const ip = await kubectl.run([
    '-n',
    engine.namespace,
    ...field(`service/${engine.name}`, '.spec.clusterIP'),
  ]);
  const [engineHost = '', enginePort] = (await forward(nodeName, `${ip}:443`)).split(':');
  const address = await kubectl.run([
    '-n',
    sample.namespace,
    ...field(`rstreamtunnel/${sample.tunnel}`, '.status.forwardingAddress'),
  ]);
  return {
    kubectl,
    certificate,
    engineHost,
    enginePort: Number(enginePort),
    hostname: new URL(address).hostname,
    stop: () => stopNode(nodeName),
  };
}
