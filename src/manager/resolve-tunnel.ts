// From a tunnel's spec and the objects it refers to, to what its agent connects to and forwards to, or to the reason why
// not. Pure: whoever calls it has read everything already.

import type { RstreamTunnel, RstreamTunnelSpec } from '../api/resources.ts';
import { type Blocked, blocked } from './blocked.ts';
import type { CachedGrant, CachedService, ServicePort } from './cached-objects.ts';
import type { ConnectionOutcome, ReadyConnection } from './connection-outcome.ts';
import type { CrossNamespaceTargets } from './flags.ts';
import { allowedBy } from './pattern.ts';
import { isGranted } from './reference-grants.ts';
import { type TunnelTarget, tunnelType } from './tunnel-config.ts';

export interface TunnelPolicy {
  readonly crossNamespaceTargets: CrossNamespaceTargets;
  readonly allowExternalName: boolean;
  readonly allowedAgentImages: readonly string[];
  /** Empty: all of them. */
  readonly watchNamespaces: readonly string[];
}

/** What the informers know of the objects a tunnel refers to. */
export interface TunnelReferences {
  readonly connectionExists: boolean;
  /** Absent while the connection has not been looked at since it last changed. */
  readonly connection: ConnectionOutcome | undefined;
  readonly service: CachedService | undefined;
  /** ReferenceGrants of the Service's namespace; undefined while nobody knows. */
  readonly grants: readonly CachedGrant[] | undefined;
  /** The right to read them that the operator lacks now, in words that follow "may not". */
  readonly missingRight?: string | undefined;
  /** What else has kept them from being known for a while. */
  readonly grantsTrouble?: string | undefined;
}

export type TunnelBlockReason =
  | 'ConnectionMissing'
  | 'ConnectionNotReady'
  | 'SecretMissing'
  | 'ServiceMissing'
  | 'ServicePortMissing'
  | 'ServicePortMismatch'
  | 'RefNotPermitted';

export interface ResolvedTunnel {
  readonly connection: ReadyConnection;
  readonly target: TunnelTarget;
}

/** `pending`: something is still unknown, and nothing may change on that account. */
export type TunnelResolution =
  | { readonly resolved: ResolvedTunnel }
  | Blocked<TunnelBlockReason>
  | { readonly pending: true };

export function connectionName(spec: RstreamTunnelSpec): string {
  return spec.connectionRef?.name || 'default';
}

export function targetNamespace({ metadata, spec }: RstreamTunnel): string {
  return spec.target.service.namespace || metadata.namespace;
}

/** Why the spec itself cannot work, or undefined. The schema has refused the rest already. */
export function specProblem(spec: RstreamTunnelSpec, policy: TunnelPolicy): string | undefined {
  const image = spec.agent?.image?.trim();
  if (!image || allowedBy(policy.allowedAgentImages, image)) return undefined;
  return `spec.agent.image ${image} is not allowed by the operator (--allowed-agent-images); use another image or remove it`;
}

export function resolveTunnel(
  tunnel: RstreamTunnel,
  references: TunnelReferences,
  policy: TunnelPolicy,
): TunnelResolution {
  const permission = permit(tunnel, references, policy);
  if (permission !== undefined) return permission;

  const name = connectionName(tunnel.spec);
  if (!references.connectionExists) {
    return blocked(
      'ConnectionMissing',
      `RstreamConnection "${name}" does not exist in this namespace; create it`,
    );
  }
  const outcome = references.connection;
  if (outcome === undefined) return { pending: true };
  if ('blocked' in outcome) return connectionBlocked(name, outcome);

  const target = resolveTarget(tunnel, references.service, policy);
  return 'blocked' in target ? target : { resolved: { connection: outcome.ready, target } };
}

/** Policy comes first: whatever else is wrong, a tunnel that may not look at a Service learns nothing about it. */
function permit(
  tunnel: RstreamTunnel,
  { grants, missingRight, grantsTrouble }: TunnelReferences,
  policy: TunnelPolicy,
): TunnelResolution | undefined {
  const own = tunnel.metadata.namespace;
  const namespace = targetNamespace(tunnel);
  if (namespace === own) return undefined;

  const service = tunnel.spec.target.service.name;
  const subject = `Service "${service}" in namespace "${namespace}"`;
  if (policy.watchNamespaces.length > 0 && !policy.watchNamespaces.includes(namespace)) {
    return blocked(
      'RefNotPermitted',
      `${subject}: the operator does not watch that namespace (--watch-namespace)`,
      true,
    );
  }
  if (policy.crossNamespaceTargets === 'allow') return undefined;
  if (policy.crossNamespaceTargets === 'deny') {
    return blocked(
      'RefNotPermitted',
      `${subject}: the operator allows no targets in other namespaces (--cross-namespace-targets)`,
      true,
    );
  }
  if (grants !== undefined && isGranted(grants, own, service)) return undefined;
  if (missingRight !== undefined) {
    const message = `${subject}: the operator may not ${missingRight}, so it cannot tell whether this is permitted; give it that right`;
    return blocked('RefNotPermitted', message);
  }
  if (grants === undefined) {
    if (grantsTrouble === undefined) return { pending: true };
    const message = `${subject}: the operator does not know yet whether a ReferenceGrant permits it, and keeps asking: ${grantsTrouble}`;
    return blocked('RefNotPermitted', message);
  }
  return blocked(
    'RefNotPermitted',
    `${subject}: no ReferenceGrant in that namespace lets RstreamTunnels of namespace "${own}" refer to it; create one`,
    true,
  );
}

function connectionBlocked(name: string, outcome: Blocked<string>): Blocked<TunnelBlockReason> {
  const { reason, message, denied } = outcome.blocked;
  const sentence = `RstreamConnection "${name}" is not ready: ${reason}: ${message}`;
  return blocked(reason === 'SecretMissing' ? 'SecretMissing' : 'ConnectionNotReady', sentence, denied);
}

function resolveTarget(
  tunnel: RstreamTunnel,
  service: CachedService | undefined,
  policy: TunnelPolicy,
): TunnelTarget | Blocked<TunnelBlockReason> {
  const { name, port: wanted } = tunnel.spec.target.service;
  const namespace = targetNamespace(tunnel);
  const subject = `Service "${name}" in namespace "${namespace}"`;
  if (service === undefined) return blocked('ServiceMissing', `${subject} does not exist; create it`);
  if (service.type === 'ExternalName' && !policy.allowExternalName) {
    const message = `${subject} is of type ExternalName, which leads anywhere; the operator must allow it (--allow-external-name)`;
    return blocked('RefNotPermitted', message, true);
  }

  const protocol = tunnelType(tunnel.spec) === 'datagram' ? 'UDP' : 'TCP';
  const candidates = service.ports.filter((port) => matchesPort(port, wanted));
  const port = candidates.find((candidate) => (candidate.protocol ?? 'TCP') === protocol);
  if (port === undefined) return portMissing(subject, wanted, protocol, service, candidates);
  if (service.headless && typeof port.targetPort === 'number' && port.targetPort !== port.port) {
    const message = `${subject} is headless, so its port ${port.port} must equal its targetPort ${port.targetPort}; make them equal`;
    return blocked('ServicePortMismatch', message);
  }
  return { host: `${name}.${namespace}.svc`, port: port.port, protocol };
}

function matchesPort(port: ServicePort, wanted: number | string): boolean {
  return typeof wanted === 'number' ? port.port === wanted : port.name === wanted;
}

function portMissing(
  subject: string,
  wanted: number | string,
  protocol: string,
  service: CachedService,
  candidates: readonly ServicePort[],
): Blocked<TunnelBlockReason> {
  if (candidates.length > 0) {
    const message = `${subject}: port ${wanted} is ${candidates[0]?.protocol ?? 'TCP'}, but this tunnel needs ${protocol}; correct the Service or spec.protocol`;
    return blocked('ServicePortMismatch', message);
  }
  const offered = service.ports
    .map((port) => (port.name ? `${port.name} (${port.port})` : String(port.port)))
    .join(', ');
  const missing = typeof wanted === 'number' ? wanted : `named "${wanted}"`;
  const isQuoted = service.ports.some((port) => String(port.port) === wanted);
  const hint = isQuoted ? `; write ${wanted} without quotes to mean the number` : '';
  return blocked(
    'ServicePortMissing',
    `${subject} has no port ${missing}; it has: ${offered || 'none'}${hint}`,
  );
}
