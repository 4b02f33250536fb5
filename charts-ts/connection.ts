// RstreamConnection as a construct: an invalid spec fails synthesis with the sentence that the API server would answer.

import { ApiObject, type ApiObjectMetadata } from 'cdk8s';
import type { Construct } from 'constructs';
import { API_GROUP_VERSION, CONNECTION_KIND } from '../src/api/group.ts';
import type { RstreamConnectionSpec } from '../src/api/resources.ts';
import { describeViolations, validateConnection } from './schema/validate.ts';

export interface RstreamConnectionProps {
  /** @default a generated name; tunnels without a connection of their own use the one named `default` */
  readonly metadata?: ApiObjectMetadata;
  readonly spec: RstreamConnectionSpec;
}

/**
 * Shared settings of the tunnels in its namespace: which engine, which credentials, which network path.
 *
 * @example
 * new RstreamConnection(chart, 'connection', {
 *   metadata: { name: 'default' },
 *   spec: { projectEndpoint: 'my-project', tokenSecretRef: { name: 'rstream-credentials', key: 'token' } },
 * });
 */
export class RstreamConnection extends ApiObject {
  constructor(scope: Construct, id: string, props: RstreamConnectionProps) {
    super(scope, id, { apiVersion: API_GROUP_VERSION, kind: CONNECTION_KIND, ...props });

    this.node.addValidation({
      validate: () => {
        const violations = validateConnection(props.spec);
        return violations.length === 0
          ? []
          : [`RstreamConnection ${this.name}: ${describeViolations(violations)}`];
      },
    });
  }
}
