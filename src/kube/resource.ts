// Resource descriptors: group, version and plural of a kind, with the type of its objects, and the paths they live under.

import type { KubeObject } from './object.ts';

export interface Resource<T extends KubeObject = KubeObject> {
  /** '' for the core group. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** Reads ask for PartialObjectMetadata: no spec, no data, no status ever reaches this process. */
  readonly metadataOnly?: boolean;
  /** Carries T in the type; never set. */
  readonly type?: T;
}

/** Describes a resource whose objects are T. */
export function resource<T extends KubeObject>(descriptor: Omit<Resource, 'type'>): Resource<T> {
  return descriptor;
}

/** The same resource, read as metadata only. */
export function metadataOf(descriptor: Resource): Resource<KubeObject> {
  const { type: _, ...rest } = descriptor;
  return { ...rest, metadataOnly: true };
}

/** `v1` or `group/version`. */
export function apiVersionOf(descriptor: Resource): string {
  return descriptor.group === '' ? descriptor.version : `${descriptor.group}/${descriptor.version}`;
}

/** `secrets` or `deployments.apps`: for logs, metrics and messages. */
export function resourceName(descriptor: Resource): string {
  return descriptor.group === '' ? descriptor.plural : `${descriptor.plural}.${descriptor.group}`;
}

export interface PathOptions {
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly subresource?: string | undefined;
}

/** The URL path of a collection, an object or a subresource. */
export function resourcePath(descriptor: Resource, options: PathOptions = {}): string {
  const { namespace, name, subresource } = options;
  if (!descriptor.namespaced && namespace) {
    throw new RangeError(`${resourceName(descriptor)} are cluster-scoped and have no namespace`);
  }
  if (descriptor.namespaced && name !== undefined && !namespace) {
    throw new RangeError(`${resourceName(descriptor)} "${name}" needs a namespace`);
  }
  const parts = [descriptor.group === '' ? 'api' : `apis/${segment(descriptor.group)}`, descriptor.version];
  if (namespace) parts.push('namespaces', segment(namespace));
  parts.push(descriptor.plural);
  if (name !== undefined) parts.push(segment(name));
  if (subresource !== undefined) parts.push(segment(subresource));
  return `/${parts.join('/')}`;
}

/** One path segment. Names the API server would never accept must not turn into another path. */
function segment(text: string): string {
  if (text === '' || text === '.' || text === '..') throw new RangeError(`"${text}" is not a name`);
  return encodeURIComponent(text);
}
