// Installing the operator and the sample with kubectl, as a user does, and removing both again.

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DEFAULT_IMAGE } from '../../charts-ts/image.ts';
import { authoritySecret } from './engine.ts';
import type { Kubectl } from './kubectl.ts';
import { engine, operator, sample } from './names.ts';

const root = dirname(dirname(import.meta.dirname));
const dist = (file: string): string => readFileSync(join(root, 'dist', file), 'utf8');

/** Applies dist/ and waits until the manager is Available. */
export async function installOperator(kubectl: Kubectl, image: string): Promise<void> {
  await kubectl.run(['apply', '-f', '-'], dist('crds.yaml'));
  await kubectl.run(['apply', '-f', '-'], dist('operator.yaml').replaceAll(DEFAULT_IMAGE, image));
  await kubectl.run(['wait', '--for=condition=Established', '--timeout=30s', ...crdNames]);
  await kubectl.run([
    '-n',
    operator.namespace,
    'rollout',
    'status',
    `deployment/${operator.deployment}`,
    '--timeout=120s',
  ]);
}

/** The sample as its overlay for the local engine changes it, with the Secret that trusts the engine. */
export async function sampleManifests(kubectl: Kubectl, image: string, certificate: string): Promise<string> {
  const overlay = join(root, 'samples', 'local-engine');
  const manifests = await kubectl.run(['kustomize', '--load-restrictor', 'LoadRestrictionsNone', overlay]);
  // Behind the Namespace, which comes first, and before what refers to it.
  const [namespace, ...others] = manifests.split('\n---\n');
  const text = [namespace, authoritySecret(sample.namespace, certificate), ...others].join('\n---\n');
  return text.replaceAll(DEFAULT_IMAGE, image);
}

export async function installSample(kubectl: Kubectl, image: string, certificate: string): Promise<void> {
  await kubectl.run(['apply', '-f', '-'], await sampleManifests(kubectl, image, certificate));
  const rollout = ['rollout', 'status', 'deployment/http-server', '--timeout=120s'];
  await kubectl.run(['-n', sample.namespace, ...rollout]);
}

/** Waits until the tunnel is Ready; the error says what the cluster knows about the reason it is not. */
export async function waitForTunnel(kubectl: Kubectl, timeoutSeconds: number): Promise<void> {
  const tunnel = ['-n', sample.namespace];
  try {
    await kubectl.run([
      ...tunnel,
      'wait',
      '--for=condition=Ready',
      `--timeout=${timeoutSeconds}s`,
      `rstreamtunnel/${sample.tunnel}`,
    ]);
  } catch (error) {
    const looks = [
      [...tunnel, 'describe', 'rstreamtunnel', sample.tunnel],
      [...tunnel, 'get', 'rstreamconnection,pods', '-o', 'wide'],
      [...tunnel, 'logs', '--selector=app.kubernetes.io/component=agent', '--tail=20'],
      ['-n', operator.namespace, 'logs', `deployment/${operator.deployment}`, '--tail=20'],
      ['-n', engine.namespace, 'logs', `deployment/${engine.name}`, '--tail=20'],
    ];
    const seen: string[] = [];
    for (const look of looks) {
      seen.push(`$ kubectl ${look.join(' ')}`, await kubectl.run(look).catch((failure) => String(failure)));
    }
    throw new Error(`the tunnel did not become Ready\n${seen.join('\n')}`, { cause: error });
  }
}

/** The engine's namespace is the first thing the demo makes and the last it removes. */
export async function hasDemo(kubectl: Kubectl): Promise<boolean> {
  return (await kubectl.get(['namespace', engine.namespace])) !== undefined;
}

/** An operator that somebody else installed would be replaced, and removed with all of its tunnels by `make demo-down`. */
export async function refuseForeignOperator(kubectl: Kubectl, context: string): Promise<void> {
  const [, crd = ''] = crdNames;
  if ((await kubectl.get([crd])) === undefined || (await hasDemo(kubectl))) return;
  throw new Error(
    `the cluster "${context}" has an rstream operator already (${crd}). The demo would replace it, and make demo-down ` +
      'would remove it with every tunnel: use a cluster without one.',
  );
}

/** Everything that startEnginePod, installOperator and installSample made. */
export async function removeAll(kubectl: Kubectl): Promise<void> {
  const gone = ['--ignore-not-found', '--wait', '--timeout=120s'];
  await kubectl.run(['delete', 'namespace', sample.namespace, ...gone]);
  await kubectl.run(['delete', '-f', '-', ...gone], dist('operator.yaml'));
  await kubectl.run(['delete', '-f', '-', ...gone], dist('crds.yaml'));
  await kubectl.run(['delete', 'namespace', engine.namespace, ...gone]);
}

const crdNames = ['rstreamconnections', 'rstreamtunnels'].map(
  (plural) => `customresourcedefinition/${plural}.tunnels.rstream.io`,
);
