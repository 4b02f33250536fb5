// `make image`: the operator's image as an OCI archive, without Docker, for this machine's architecture.
// The Dockerfile builds the same layout where there is Docker, and for both architectures.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DEFAULT_IMAGE } from '../charts-ts/image.ts';
import { imageContent } from './image-content.ts';
import { compressedBudgetBytes, hostArchitecture, imageConfig } from './image-layout.ts';
import { compressedSize, type ImageLayer, imageLayer, writeImage } from './oci-image.ts';
import type { TarEntry } from './tar.ts';
import { partOf, writeWholeFile } from './whole-file.ts';

const root = dirname(import.meta.dirname);

export interface BuiltImage {
  readonly file: string;
  readonly name: string;
  readonly digest: string;
  readonly compressedBytes: number;
}

/** Bundles the executables and writes the image; the name is what the install manifests say unless given. */
export async function buildImage(name: string = DEFAULT_IMAGE): Promise<BuiltImage> {
  const { base, product } = await imageContent(root);
  const folder = join(root, '.build');
  const layers = [cachedLayer(folder, base), imageLayer(product)];
  const compressedBytes = compressedSize(layers);
  if (compressedBytes > compressedBudgetBytes) {
    throw new Error(
      `the image is ${megabytes(compressedBytes)} compressed, over its budget of ${megabytes(compressedBudgetBytes)}`,
    );
  }

  const file = join(folder, 'image.tar');
  const config = { ...imageConfig, name, architecture: hostArchitecture() };
  const digest = await writeImage(partOf(file), config, layers);
  renameSync(partOf(file), file);
  return { file, name, digest, compressedBytes };
}

/** Compressing Node takes seconds and its layer hardly ever changes, so it is kept under the digest of its content. */
function cachedLayer(folder: string, entries: readonly TarEntry[]): ImageLayer {
  const hash = createHash('sha256');
  for (const entry of entries) {
    hash.update(`${entry.kind} ${entry.path} ${entry.mode}\0`);
    if (entry.kind === 'file') hash.update(entry.content);
  }
  const key = hash.digest('hex');
  const blobFile = join(folder, 'layers', `${key}.tar.gz`);
  const factsFile = join(folder, 'layers', `${key}.json`);
  if (existsSync(factsFile))
    return { ...JSON.parse(readFileSync(factsFile, 'utf8')), blob: readFileSync(blobFile) };

  const layer = imageLayer(entries);
  mkdirSync(join(folder, 'layers'), { recursive: true });
  writeWholeFile(blobFile, layer.blob);
  writeWholeFile(factsFile, JSON.stringify({ digest: layer.digest, diffId: layer.diffId }));
  return layer;
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

if (import.meta.main) {
  const image = await buildImage(process.env.IMAGE || undefined);
  console.log(`${image.file}: ${image.name}`);
  console.log(
    `${image.digest}, ${megabytes(image.compressedBytes)} compressed of ${megabytes(compressedBudgetBytes)} allowed`,
  );
}
