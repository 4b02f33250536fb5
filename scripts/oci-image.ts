// Builds OCI image archives without Docker and without a registry. The same inputs give the same digests.

import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { gzipSync } from 'node:zlib';
import { type TarEntry, tarArchive } from './tar.ts';

export type Architecture = 'amd64' | 'arm64';

export interface ImageConfig {
  /** Full name with tag: what a Pod's `image` says. */
  readonly name: string;
  readonly architecture: Architecture;
  /** `UID:GID`. */
  readonly user: string;
  readonly entrypoint?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface ImageLayer {
  readonly digest: string;
  /** Digest of the archive before compression. */
  readonly diffId: string;
  readonly blob: Uint8Array;
}

/** One gzip-compressed layer. Level 6 and no timestamp: small enough, and the same bytes each time. */
export function imageLayer(entries: Iterable<TarEntry>): ImageLayer {
  const archive = Buffer.concat([...tarArchive(entries)]);
  const blob = gzipSync(archive, { level: 6 });
  return { digest: digest(blob), diffId: digest(archive), blob };
}

/** Compressed bytes of all layers: what a node downloads. */
export function compressedSize(layers: readonly ImageLayer[]): number {
  return layers.reduce((sum, layer) => sum + layer.blob.length, 0);
}

/** Writes the image as an archive that `ctr images import`, `podman load` and `skopeo` read. Returns the manifest's digest. */
export async function writeImage(
  file: string,
  config: ImageConfig,
  layers: readonly ImageLayer[],
): Promise<string> {
  const configBlob = json(imageConfiguration(config, layers));
  const manifest = json({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: descriptor('application/vnd.oci.image.config.v1+json', configBlob),
    layers: layers.map((layer) => descriptor('application/vnd.oci.image.layer.v1.tar+gzip', layer.blob)),
  });
  const index = json({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [
      {
        ...descriptor('application/vnd.oci.image.manifest.v1+json', manifest),
        platform: { architecture: config.architecture, os: 'linux' },
        annotations: {
          'io.containerd.image.name': config.name,
          'org.opencontainers.image.ref.name': config.name.split(':').at(-1) ?? 'latest',
        },
      },
    ],
  });

  const blobs = new Map(
    [configBlob, manifest, ...layers.map((layer) => layer.blob)].map((blob) => [digest(blob), blob]),
  );
  const entries: TarEntry[] = [
    { kind: 'file', path: 'oci-layout', content: json({ imageLayoutVersion: '1.0.0' }) },
  ];
  for (const [name, content] of blobs)
    entries.push({ kind: 'file', path: `blobs/sha256/${name.slice(7)}`, content });
  entries.push({ kind: 'file', path: 'index.json', content: index });
  await pipeline(tarArchive(entries), createWriteStream(file));
  return digest(manifest);
}

function imageConfiguration(config: ImageConfig, layers: readonly ImageLayer[]): object {
  return {
    architecture: config.architecture,
    os: 'linux',
    created: '1970-01-01T00:00:00Z',
    config: {
      User: config.user,
      Env: Object.entries(config.environment ?? {}).map(([key, value]) => `${key}=${value}`),
      ...(config.entrypoint && { Entrypoint: config.entrypoint }),
      ...(config.labels && { Labels: config.labels }),
      WorkingDir: '/',
    },
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.diffId) },
  };
}

function descriptor(mediaType: string, blob: Uint8Array): object {
  return { mediaType, digest: digest(blob), size: blob.length };
}

function digest(blob: Uint8Array): string {
  return `sha256:${createHash('sha256').update(blob).digest('hex')}`;
}

function json(value: object): Buffer {
  return Buffer.from(JSON.stringify(value));
}
