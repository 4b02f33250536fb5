// RstreamTunnel as a construct, with helpers that take a cdk8s-plus Service or Deployment of any version: what is needed of
// them is described by shape, because the classes of two cdk8s-plus versions are not each other's.

import { ApiObject, type ApiObjectMetadata, Chart } from 'cdk8s';
import type { Construct } from 'constructs';
import { API_GROUP_VERSION, TUNNEL_KIND } from '../src/api/group.ts';
import type { RstreamTunnelSpec } from '../src/api/resources.ts';
import { describeViolations, validateTunnel } from './schema/validate.ts';

export interface RstreamTunnelProps {
  /** @default a generated name */
  readonly metadata?: ApiObjectMetadata;
  readonly spec: RstreamTunnelSpec;
}

/** What a tunnel needs to know of a Service; every cdk8s-plus Service has it. */
export interface ExposedService {
  readonly name: string;
  readonly ports: readonly { readonly port: number; readonly name?: string | undefined }[];
  readonly metadata?: { readonly namespace?: string | undefined } | undefined;
}

/** What a tunnel needs to know of a Deployment; every cdk8s-plus Deployment has it. */
export interface ExposedDeployment<Options> {
  exposeViaService(options?: Options): ExposedService;
}

/** A tunnel's spec but for its target, which the Service gives. */
export interface TunnelSettings extends Omit<RstreamTunnelSpec, 'target' | 'connectionRef'> {
  readonly metadata?: ApiObjectMetadata;
  /** Port of the Service, by number or name. @default its only port */
  readonly port?: number | string;
  /** An RstreamConnection or its name. @default the one named `default` */
  readonly connection?: string | { readonly name: string };
}

export interface DeploymentTunnelSettings<Options> extends TunnelSettings {
  /** How the Deployment is exposed: options of its `exposeViaService`. @default its containers' ports */
  readonly service?: Options;
}

/**
 * Publishes one port of one Service.
 *
 * @example
 * RstreamTunnel.fromService(chart, 'tunnel', service, { port: 'http' });
 */
export class RstreamTunnel extends ApiObject {
  constructor(scope: Construct, id: string, props: RstreamTunnelProps) {
    super(scope, id, { apiVersion: API_GROUP_VERSION, kind: TUNNEL_KIND, ...props });

    this.node.addValidation({
      validate: () => {
        const violations = validateTunnel(props.spec);
        return violations.length === 0
          ? []
          : [`RstreamTunnel ${this.name}: ${describeViolations(violations)}`];
      },
    });
  }

  /**
   * A tunnel to a port of a Service. A Service that names another namespace than the tunnel's becomes a cross-namespace
   * target, which needs a ReferenceGrant there.
   */
  static fromService(
    scope: Construct,
    id: string,
    service: ExposedService,
    settings: TunnelSettings = {},
  ): RstreamTunnel {
    const { metadata, port, connection, ...spec } = settings;
    const own = metadata?.namespace ?? Chart.of(scope).namespace;
    const theirs = service.metadata?.namespace;
    const foreign = theirs !== undefined && theirs !== own ? { namespace: theirs } : {};

    return new RstreamTunnel(scope, id, {
      ...(metadata ? { metadata } : {}),
      spec: {
        ...spec,
        ...(connection === undefined ? {} : { connectionRef: { name: nameOf(connection) } }),
        target: { service: { name: service.name, port: portOf(service, port), ...foreign } },
      },
    });
  }

  /** Exposes a Deployment through a Service of its own, and that Service through a tunnel. */
  static fromDeployment<Options>(
    scope: Construct,
    id: string,
    deployment: ExposedDeployment<Options>,
    settings: DeploymentTunnelSettings<Options> = {},
  ): RstreamTunnel {
    const { service: options, ...rest } = settings;
    return RstreamTunnel.fromService(scope, id, deployment.exposeViaService(options), rest);
  }
}

function nameOf(connection: string | { readonly name: string }): string {
  return typeof connection === 'string' ? connection : connection.name;
}

/** A port that the Service really has; by name when it has one, so that its number may change. */
function portOf({ name, ports }: ExposedService, wanted: number | string | undefined): number | string {
  const offered = ports.map((port) => port.name ?? port.port).join(', ');
  const [only] = ports.length === 1 ? ports : [];
  const found =
    wanted === undefined ? only : ports.find((port) => port.name === wanted || port.port === wanted);
  if (found) return wanted ?? found.name ?? found.port;

  if (ports.length === 0) throw new RangeError(`Service ${name} has no ports; give it one to expose`);

  const problem = wanted === undefined ? 'which port is to be exposed?' : `there is no port ${wanted}.`;
  throw new RangeError(`Service ${name}: ${problem} Set \`port\` to one of: ${offered}`);
}
