// A case of the chart's values: one idea, and what must follow from it in the manifests.

import type { Manifest } from './helm.ts';

export type Find = (kind: string) => Manifest[];

export interface HelmCase {
  readonly title: string;
  readonly values?: object;
  readonly check: (find: Find) => void;
}

/** What the release `tunnels` calls its manager. */
export const MANAGER_NAME = 'tunnels-rstream-operator';

export function pod(find: Find): Manifest {
  return find('Deployment')[0].spec.template.spec;
}

export function container(find: Find): Manifest {
  return pod(find).containers[0];
}

export const nameOf = ({ metadata }: Manifest) => metadata.name;
