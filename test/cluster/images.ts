// The two images every node needs, made from binaries that were built here.

import { existsSync, mkdirSync, readFileSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type ImageConfig, imageLayer, writeImage } from '../../scripts/oci-image.ts';
import { partOf } from '../../scripts/whole-file.ts';
import { binariesFolder, imagesFolder, systemImages } from './settings.ts';

const sources = [
  { program: 'pause', image: systemImages.pause },
  { program: 'coredns', image: systemImages.dns },
] as const;

/** Archives of the system images; each is written again only when its program is newer. */
export async function systemImageFiles(): Promise<readonly string[]> {
  mkdirSync(imagesFolder(), { recursive: true });
  return Promise.all(sources.map(({ program, image }) => systemImage(program, image)));
}

async function systemImage(program: string, name: string): Promise<string> {
  const binary = join(binariesFolder(), program);
  const file = join(imagesFolder(), `${program}.tar`);
  if (existsSync(file) && statSync(file).mtimeMs > statSync(binary).mtimeMs) return file;

  const layer = imageLayer([{ kind: 'file', path: program, content: readFileSync(binary), mode: 0o755 }]);
  const architecture = process.arch === 'arm64' ? 'arm64' : 'amd64';
  const config: ImageConfig = { name, architecture, user: '65532:65532', entrypoint: [`/${program}`] };
  await writeImage(partOf(file), config, [layer]);
  renameSync(partOf(file), file);
  return file;
}
