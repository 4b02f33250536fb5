// The two CustomResourceDefinitions. They are made through ApiObject and not through the typed CRD construct of cdk8s,
// which drops every x-kubernetes-* key of a schema.

import { ApiObject, JsonPatch } from 'cdk8s';
import { Construct } from 'constructs';

import { API_GROUP, API_VERSION } from '../src/api/group.ts';
import { crdSchema } from './schema/crd-schema.ts';
import { CATEGORY, DEFINITIONS, type ResourceDefinition } from './schema/definitions.ts';

export interface CrdMetadata {
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A CustomResourceDefinition, ready to be applied. */
export interface CrdManifest {
  readonly apiVersion: 'apiextensions.k8s.io/v1';
  readonly kind: 'CustomResourceDefinition';
  readonly metadata: CrdMetadata & { readonly name: string };
  readonly spec: object;
}

/** Both CustomResourceDefinitions as plain objects, always equal. */
export function crdManifests(metadata: CrdMetadata = {}): readonly CrdManifest[] {
  return DEFINITIONS.map((definition) => manifest(definition, metadata));
}

/** Both CustomResourceDefinitions: what `kubectl apply -f dist/crds.yaml` installs. */
export class Crds extends Construct {
  /** @param props labels and annotations for both of them */
  constructor(scope: Construct, id: string, props: CrdMetadata = {}) {
    super(scope, id);

    for (const { apiVersion, kind, metadata, spec } of crdManifests(props)) {
      const crd = new ApiObject(this, metadata.name, { apiVersion, kind, metadata: { ...metadata } });
      crd.addJsonPatch(JsonPatch.add('/spec', spec));
    }
  }
}

function manifest(
  { resource, shortNames, schema, columns }: ResourceDefinition,
  metadata: CrdMetadata,
): CrdManifest {
  const { kind, plural } = resource;

  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${API_GROUP}`, ...metadata },
    spec: {
      group: API_GROUP,
      scope: 'Namespaced',
      names: {
        kind,
        plural,
        singular: kind.toLowerCase(),
        listKind: `${kind}List`,
        shortNames,
        categories: [CATEGORY],
      },
      versions: [
        {
          name: API_VERSION,
          served: true,
          storage: true,
          schema: { openAPIV3Schema: crdSchema(schema) },
          subresources: { status: {} },
          additionalPrinterColumns: columns,
        },
      ],
    },
  };
}
