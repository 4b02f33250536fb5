// The two resources, each with all that its CRD and its documentation say of it.

import { type ResourceKind, RSTREAM_CONNECTION, RSTREAM_TUNNEL } from '../../src/api/group.ts';
import { connectionColumns, type PrinterColumn, tunnelColumns } from './columns.ts';
import { connectionSchema } from './connection.ts';
import type { Schema } from './json-schema.ts';
import { tunnelSchema } from './tunnel.ts';

export interface ResourceDefinition {
  readonly resource: ResourceKind;
  readonly shortNames: readonly string[];
  readonly schema: Schema;
  readonly columns: readonly PrinterColumn[];
}

/** What `kubectl get` calls all resources of rstream. */
export const CATEGORY = 'rstream';

export const DEFINITIONS: readonly ResourceDefinition[] = [
  {
    resource: RSTREAM_CONNECTION,
    shortNames: ['rconn'],
    schema: connectionSchema,
    columns: connectionColumns,
  },
  {
    resource: RSTREAM_TUNNEL,
    shortNames: ['tunnel', 'rtun', 'rtunnel'],
    schema: tunnelSchema,
    columns: tunnelColumns,
  },
];
