// The two resources as the API server hands them over: Kubernetes metadata around the generated spec and status.

import type { RstreamConnectionFields } from '../../generated/rstream-connection.ts';
import type { RstreamTunnelFields } from '../../generated/rstream-tunnel.ts';

export type {
  RstreamConnectionSpec,
  RstreamConnectionStatus,
  SecretKeyReference,
  Transport,
} from '../../generated/rstream-connection.ts';
export type {
  AgentSettings,
  RstreamTunnelSpec,
  RstreamTunnelStatus,
} from '../../generated/rstream-tunnel.ts';

/** The metadata of an object that the API server has stored. */
export interface ResourceMetadata {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly generation?: number;
  readonly resourceVersion?: string;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly finalizers?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly managedFields?: readonly object[];
}

export interface RstreamConnection extends RstreamConnectionFields {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: ResourceMetadata;
}

export interface RstreamTunnel extends RstreamTunnelFields {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: ResourceMetadata;
}
