// What the image is made of: a CycloneDX document and the licences of third parties. npm knows every package of the lock
// file; only those whose modules were really bundled are listed, with Node, the native QUIC package and Debian's libraries.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Metafile } from 'esbuild';
import { debianPackages, hostArchitecture, npmPackages } from './image-layout.ts';

export interface BillOfMaterials {
  /** CycloneDX 1.5, JSON. The same inputs give the same text. */
  readonly sbom: string;
  readonly licences: string;
}

/** The part of an npm component that matters here; everything else is passed on as npm wrote it. */
interface Component {
  readonly 'bom-ref': string;
  readonly name: string;
  readonly version: string;
}

interface Dependency {
  readonly ref: string;
  readonly dependsOn: readonly string[];
}

/** A CycloneDX document as npm writes it, as far as it is changed here. */
interface NpmSbom {
  readonly serialNumber: string;
  readonly metadata: { readonly timestamp: string; readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly Dependency[];
}

interface Ingredient {
  readonly name: string;
  readonly version: string;
  /** As the package itself names it. */
  readonly licence: string;
  readonly text: string;
}

/** `metafiles` say what went into the executables. */
export function billOfMaterials(root: string, metafiles: readonly Metafile[]): BillOfMaterials {
  const fromNpm = [...bundledFolders(metafiles), ...npmPackages(root, hostArchitecture())].map((folder) =>
    npmIngredient(join(root, folder)),
  );
  const fromDebian = debianPackages.map(debianIngredient);

  return { sbom: sbomText(root, fromNpm, fromDebian), licences: licenceText([...fromNpm, ...fromDebian]) };
}

/** Folders of the packages that modules came from, once per version: two folders may hold the same one. */
export function bundledFolders(metafiles: readonly Metafile[]): readonly string[] {
  const inputs = metafiles.flatMap(({ inputs }) => Object.keys(inputs));
  const folders = inputs.flatMap((input) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1] ?? []);
  return [...new Set(folders)].sort();
}

function npmIngredient(folder: string): Ingredient {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const file = readdirSync(folder).find((entry) => /^(licen[cs]e|copying)/i.test(entry));
  const text = file
    ? readFileSync(join(folder, file), 'utf8')
    : `The package names its licence only: ${license}`;
  return { name, version, licence: license, text };
}

function debianIngredient(name: string): Ingredient {
  const version = execFileSync('dpkg-query', ['--show', `--showformat=\${Version}`, name], {
    encoding: 'utf8',
  });
  const text = readFileSync(copyrightFile(name), 'utf8');
  return { name, version, licence: 'see its text', text };
}

/** The libraries of GCC share one text, to which a link leads that Debian's slim images leave out. */
export function copyrightFile(name: string, documents = '/usr/share/doc'): string {
  const shared = /^lib(atomic|gcc|stdc)/.test(name) ? globSync('gcc-*-base', { cwd: documents }) : [];
  const files = [name, ...shared].map((folder) => join(documents, folder, 'copyright'));
  const found = files.find((file) => existsSync(file));

  if (found === undefined) throw new Error(`the licence of ${name} is not in ${files.join(' or ')}`);
  return found;
}

/** npm's own document, cut down to what the image holds. Its random serial number and its time are replaced. */
function sbomText(root: string, fromNpm: readonly Ingredient[], fromDebian: readonly Ingredient[]): string {
  const { serialNumber: _random, metadata, components, dependencies, ...rest } = npmSbom(root);
  const { timestamp: _now, component, ...tools } = metadata;
  const { name, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const packages = componentsOf(components, fromNpm);
  const refs = new Set([component, ...packages].map((known) => known['bom-ref']));
  const content = {
    ...rest,
    metadata: { ...tools, component: { ...component, type: 'container', name, version } },
    components: [...packages, ...fromDebian.map(debianComponent)],
    dependencies: dependencies
      .filter(({ ref }) => refs.has(ref))
      .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((other) => refs.has(other)) })),
  };

  return `${JSON.stringify({ ...content, serialNumber: serialNumber(JSON.stringify(content)) }, null, 2)}\n`;
}

function componentsOf(all: readonly Component[], wanted: readonly Ingredient[]): readonly Component[] {
  const refs = new Set(wanted.map(nameAndVersion));
  const found = all.filter((component) => refs.delete(nameAndVersion(component)));
  if (refs.size > 0) throw new Error(`package-lock.json does not know ${[...refs].join(', ')}`);
  return found;
}

function npmSbom(root: string): NpmSbom {
  const args = ['sbom', '--package-lock-only', '--sbom-format=cyclonedx'];
  return JSON.parse(execFileSync('npm', args, { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 }));
}

function nameAndVersion({ name, version }: Pick<Component, 'name' | 'version'>): string {
  return `${name}@${version}`;
}

function debianComponent({ name, version }: Ingredient): object {
  const purl = `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}`;
  return { 'bom-ref': purl, type: 'library', name, version, purl };
}

/** A UUID that stands for the content. */
function serialNumber(content: string): string {
  const hex = createHash('sha256').update(content).digest('hex');
  const parts = [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `5${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ];
  return `urn:uuid:${parts.join('-')}`;
}

function licenceText(ingredients: readonly Ingredient[]): string {
  const sections = ingredients.map(
    ({ name, version, licence, text }) =>
      `${'='.repeat(80)}\n${name} ${version} (${licence})\n${'='.repeat(80)}\n\n${text.trim()}\n`,
  );
  return `The image contains the following software of others.\n\n${sections.join('\n')}`;
}
