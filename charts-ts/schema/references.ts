// Schemas of references to other objects in the same namespace, and of status conditions; shared by both resources.

import { described, list, object, type Schema, text } from './json-schema.ts';

const secretKeyRef: Schema = object(
  'One key of a Secret.',
  {
    name: text('Name of the Secret.', { minLength: 1 }),
    key: text('Key within the Secret whose value is used.', { minLength: 1 }),
  },
  { title: 'SecretKeyReference', required: ['name', 'key'], 'x-kubernetes-map-type': 'atomic' },
);

/** One key of a Secret in the namespace of the object that names it. */
export function secretKey(description: string): Schema {
  return described(secretKeyRef, description);
}

const condition: Schema = object(
  'One observation about the object.',
  {
    type: text('What the condition is about, in CamelCase.', { maxLength: 316 }),
    status: { description: 'True, False or Unknown.', type: 'string', enum: ['True', 'False', 'Unknown'] },
    reason: text('Why, as one CamelCase word that programs may rely on.', {
      minLength: 1,
      maxLength: 1024,
      pattern: '^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$',
    }),
    message: text('Why, as a sentence that says what to do.', { maxLength: 32_768 }),
    lastTransitionTime: {
      description: 'When the status last changed from one value to another.',
      type: 'string',
      format: 'date-time',
    },
    observedGeneration: {
      description: 'The metadata.generation that the condition was judged from.',
      type: 'integer',
      format: 'int64',
      minimum: 0,
    },
  },
  { title: 'Condition', required: ['type', 'status', 'reason', 'message', 'lastTransitionTime'] },
);

/** Fields that every status begins with. */
export const commonStatus: Readonly<Record<string, Schema>> = {
  observedGeneration: {
    description: 'The metadata.generation that the controller last reconciled; -1 before the first time.',
    type: 'integer',
    format: 'int64',
    minimum: -1,
  },
  conditions: list('Observations about the object, one per type.', condition, {
    maxItems: 32,
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['type'],
  }),
};

/** Of an object nobody has looked at yet: without it, tools that use kstatus would take a new object for one that is ready. */
export const newStatus = { observedGeneration: -1 } as const;

/** A status field: output only, bounded like everything else that is stored. */
export function statusText(description: string): Schema {
  return text(description, { maxLength: 1024 });
}
