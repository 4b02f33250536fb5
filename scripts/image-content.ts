// Makes everything the image holds, for whoever packs it: the Docker-free builder (build-image.ts), which writes layers, and
// the Dockerfile (image-root.ts), which copies a folder. What is listed here is listed nowhere else.

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type BillOfMaterials, billOfMaterials } from './bill-of-materials.ts';
import { bundles, writeBundle } from './bundle.ts';
import { baseEntries, executables, hostArchitecture, productEntries } from './image-layout.ts';
import type { TarEntry } from './tar.ts';

export interface ImageContent {
  /** Node and its libraries, which hardly ever change. */
  readonly base: readonly TarEntry[];
  readonly product: readonly TarEntry[];
  readonly bill: BillOfMaterials;
}

/** Bundles the executables and gathers the rest, for this machine's architecture. */
export async function imageContent(root: string): Promise<ImageContent> {
  const metafiles = [];
  for (const bundle of bundles) {
    const { metafile } = await writeBundle(bundle);
    if (executables.some((name) => name === bundle.name)) metafiles.push(metafile);
  }

  const bill = billOfMaterials(root, metafiles);
  return { base: baseEntries(root, hostArchitecture()), product: productEntries(root, bill), bill };
}

/** `make sbom`: the two documents of the image, beside it. */
if (import.meta.main) {
  const root = dirname(import.meta.dirname);
  const { bill } = await imageContent(root);
  const files = { 'sbom.cdx.json': bill.sbom, 'THIRD-PARTY-LICENSES': bill.licences };

  mkdirSync(join(root, '.build'), { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(root, '.build', name), text);
    console.log(join(root, '.build', name));
  }
}
