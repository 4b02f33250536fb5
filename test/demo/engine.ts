// The local engine as a Pod: the dev engine's bundle from a ConfigMap, run by the operator image's Node, with a certificate
// authority that stays the same for as long as its Secret exists.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { openCertificateAuthority } from '../../src/dev-engine/certificate-authority.ts';
import type { Kubectl } from './kubectl.ts';
import { engine, sample } from './names.ts';

export interface EngineSettings {
  readonly image: string;
  /** Path of the bundled engine. */
  readonly bundle: string;
  readonly token?: string;
}

/** Applies the engine and waits until it serves. Returns the authority's certificate, which visitors have to trust. */
export async function startEnginePod(kubectl: Kubectl, settings: EngineSettings): Promise<string> {
  const authority = (await keptAuthority(kubectl)) ?? (await newAuthority());
  const manifests = engineManifests(settings, authority).map((manifest) => stringify(manifest));
  // Server-side, because the bundle is larger than the annotation that a client-side apply would put it into.
  const text = manifests.join('---\n');
  await kubectl.run(
    ['apply', '--server-side', '--force-conflicts', '--field-manager=rstream-demo', '-f', '-'],
    text,
  );
  await kubectl.run([
    '-n',
    engine.namespace,
    'rollout',
    'status',
    `deployment/${engine.name}`,
    '--timeout=120s',
  ]);
  return authority.certificate;
}

/** What trusts the engine from the tunnel's namespace. */
export function authoritySecret(namespace: string, certificate: string): string {
  return stringify({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: engine.caSecret, namespace },
    stringData: { 'ca.crt': certificate },
  });
}

interface Authority {
  readonly certificate: string;
  readonly key: string;
}

async function keptAuthority(kubectl: Kubectl): Promise<Authority | undefined> {
  const secret = await kubectl.get(['secret', engine.name, '-n', engine.namespace]);
  if (typeof secret !== 'object' || secret === null || !('data' in secret)) return undefined;
  const data = secret.data as Readonly<Record<string, string>>;
  const text = (key: string) => Buffer.from(data[key] ?? '', 'base64').toString('utf8');
  return { certificate: text('ca.pem'), key: text('ca.pem.key') };
}

async function newAuthority(): Promise<Authority> {
  const folder = mkdtempSync(join(tmpdir(), 'rstream-ca-'));
  try {
    const file = join(folder, 'ca.pem');
    await openCertificateAuthority(file);
    return { certificate: readFileSync(file, 'utf8'), key: readFileSync(`${file}.key`, 'utf8') };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function engineManifests(settings: EngineSettings, authority: Authority): readonly object[] {
  const metadata = { name: engine.name, namespace: engine.namespace };
  const { token = sample.token } = settings;
  return [
    {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: engine.namespace, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
    },
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata,
      stringData: { 'ca.pem': authority.certificate, 'ca.pem.key': authority.key, token },
    },
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata,
      data: { 'engine.cjs': readFileSync(settings.bundle, 'utf8') },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata,
      spec: {
        selector: { app: engine.name },
        ports: [
          { name: 'tls', port: 443, targetPort: 8443 },
          ...engine.tcpPorts.map((port) => ({ name: `tcp-${port}`, port, targetPort: port })),
        ],
      },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: {
        replicas: 1,
        strategy: { type: 'Recreate' },
        selector: { matchLabels: { app: engine.name } },
        template: { metadata: { labels: { app: engine.name } }, spec: enginePod(settings.image) },
      },
    },
  ];
}

function enginePod(image: string): object {
  const [first, last] = [engine.tcpPorts[0], engine.tcpPorts.at(-1)];
  const flags = {
    listen: '0.0.0.0:8443',
    token: '$(TOKEN)',
    'ca-file': '/authority/ca.pem',
    endpoint: engine.endpoint,
    domain: engine.domain,
    advertise: engine.address,
    'tcp-ports': `${first}-${last}`,
  };
  return {
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: 5,
    securityContext: { runAsNonRoot: true, runAsUser: 65532, seccompProfile: { type: 'RuntimeDefault' } },
    containers: [
      {
        name: 'engine',
        image,
        command: ['/usr/local/bin/node', '/engine/engine.cjs'],
        args: Object.entries(flags).map(([name, value]) => `--${name}=${value}`),
        env: [{ name: 'TOKEN', valueFrom: { secretKeyRef: { name: engine.name, key: 'token' } } }],
        ports: [{ name: 'tls', containerPort: 8443 }],
        readinessProbe: { tcpSocket: { port: 'tls' }, periodSeconds: 1 },
        resources: { requests: { cpu: '50m', memory: '96Mi' }, limits: { memory: '512Mi' } },
        securityContext: {
          allowPrivilegeEscalation: false,
          capabilities: { drop: ['ALL'] },
          readOnlyRootFilesystem: true,
        },
        volumeMounts: [
          { name: 'engine', mountPath: '/engine', readOnly: true },
          { name: 'authority', mountPath: '/authority', readOnly: true },
        ],
      },
    ],
    volumes: [
      { name: 'engine', configMap: { name: engine.name } },
      {
        name: 'authority',
        secret: {
          secretName: engine.name,
          items: ['ca.pem', 'ca.pem.key'].map((key) => ({ key, path: key })),
        },
      },
    ],
  };
}
