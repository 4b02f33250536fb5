// What the operator's image holds and how it runs. Needs a Debian machine of the image's architecture: libraries, certificates
// and their licences are copied from it.

import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import type { BillOfMaterials } from './bill-of-materials.ts';
import { bundleFolder } from './bundle.ts';
import type { Architecture } from './oci-image.ts';
import type { TarEntry } from './tar.ts';

/** How it runs; the Dockerfile says the same, and a test compares the two. */
export const imageConfig = {
  user: '65532:65532',
  entrypoint: ['/rstream-manager'],
  environment: { NODE_ENV: 'production', PATH: '/usr/local/bin:/usr/bin:/bin' },
  labels: {
    'org.opencontainers.image.licenses': 'Apache-2.0',
    'org.opencontainers.image.title': 'rstream-operator',
  },
} as const;

const nodePath = '/usr/local/bin/node';
export const executables = ['rstream-manager', 'rstream-agent'] as const;

/** A node that downloads the image fetches no more than this. */
export const compressedBudgetBytes = 90_000_000;

/** Folders of the Debian multiarch layout, and the loader's fixed place. */
const architectures = {
  amd64: { triplet: 'x86_64-linux-gnu', loader: 'lib64/ld-linux-x86-64.so.2', npm: 'x64' },
  arm64: { triplet: 'aarch64-linux-gnu', loader: 'lib/ld-linux-aarch64.so.1', npm: 'arm64' },
} as const;

/** What Node links to, and the two libraries glibc itself opens for name resolution. */
const libraries = [
  'libatomic.so.1',
  'libc.so.6',
  'libdl.so.2',
  'libgcc_s.so.1',
  'libm.so.6',
  'libnss_dns.so.2',
  'libnss_files.so.2',
  'libpthread.so.0',
  'libresolv.so.2',
  'librt.so.1',
  'libstdc++.so.6',
] as const;

/** Where those libraries and the certificates come from. */
export const debianPackages = ['ca-certificates', 'libatomic1', 'libc6', 'libgcc-s1', 'libstdc++6'] as const;

/** Folder of the image's own documents. */
const documents = 'usr/share/doc/rstream-operator';

const accounts = {
  'etc/passwd': 'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/tmp:/sbin/nologin\n',
  'etc/group': 'root:x:0:\nnonroot:x:65532:\n',
  'etc/nsswitch.conf': 'hosts: files dns\n',
} as const;

export function hostArchitecture(): Architecture {
  if (process.arch === 'x64') return 'amd64';
  if (process.arch === 'arm64') return 'arm64';
  throw new Error(`there is no image for ${process.arch}`);
}

/** npm packages that are copied as they are: Node, and native QUIC, which its authors publish for some platforms only. */
export function npmPackages(root: string, architecture: Architecture): readonly string[] {
  return [nodePackage(architecture), quicPackage(architecture)].filter(
    (folder, index) => index === 0 || existsSync(join(root, folder)),
  );
}

function nodePackage(architecture: Architecture): string {
  return `node_modules/node-linux-${architectures[architecture].npm}`;
}

function quicPackage(architecture: Architecture): string {
  return `node_modules/@infisical/quic-linux-${architectures[architecture].npm}`;
}

/** Node, its libraries and certificates: changes with Node's version only. */
export function baseEntries(root: string, architecture: Architecture): TarEntry[] {
  const { triplet, loader } = architectures[architecture];
  const entries = [
    directory('tmp', 0o1777),
    ...Object.entries(accounts).map(([path, text]) => file(path, Buffer.from(text))),
    copy('etc/ssl/certs/ca-certificates.crt', ['/etc/ssl/certs/ca-certificates.crt']),
    copy(loader, [`/${loader}`], 0o755),
    ...libraries.map((name) =>
      copy(`usr/lib/${triplet}/${name}`, [`/lib/${triplet}/${name}`, `/usr/lib/${triplet}/${name}`], 0o755),
    ),
    copy(nodePath.slice(1), [join(root, nodePackage(architecture), 'bin', 'node')], 0o755),
    ...quicEntries(root, quicPackage(architecture)),
  ];
  return withParents(entries);
}

/** Beside the executables, where a module that they ask for by name is looked up. */
function quicEntries(root: string, folder: string): TarEntry[] {
  if (!existsSync(join(root, folder))) return [];
  return ['package.json', 'node.napi.node'].map((name) =>
    copy(join(folder, name), [join(root, folder, name)]),
  );
}

/** The bundled executables and the image's documents. */
export function productEntries(root: string, { sbom, licences }: BillOfMaterials): TarEntry[] {
  return [
    ...executables.map((name) => copy(name, [join(bundleFolder, name)], 0o755)),
    ...withParents([
      copy(`${documents}/LICENSE`, [join(root, 'LICENSE')]),
      file(`${documents}/THIRD-PARTY-LICENSES`, Buffer.from(licences)),
      file(`${documents}/sbom.cdx.json`, Buffer.from(sbom)),
    ]),
  ];
}

function file(path: string, content: Uint8Array, mode = 0o644): TarEntry {
  return { kind: 'file', path, content, mode };
}

function directory(path: string, mode = 0o755): TarEntry {
  return { kind: 'directory', path, mode };
}

function copy(path: string, sources: readonly string[], mode?: number): TarEntry {
  const source = sources.find((candidate) => existsSync(candidate));
  if (source === undefined) throw new Error(`the image needs ${sources.join(' or ')}, which is not there`);
  return file(path, readFileSync(realpathSync(source)), mode);
}

/** The entries in their order, each folder on the way to one named once and before it. */
function withParents(entries: readonly TarEntry[]): TarEntry[] {
  const seen = new Set(entries.filter((entry) => entry.kind === 'directory').map((entry) => entry.path));
  return entries.flatMap((entry) => {
    const parts = entry.path.split('/').slice(0, -1);
    const parents = parts
      .map((_, index) => parts.slice(0, index + 1).join('/'))
      .filter((path) => !seen.has(path));
    for (const path of parents) seen.add(path);
    return [...parents.map((path) => directory(path)), entry];
  });
}
