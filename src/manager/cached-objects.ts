// The parts of Kubernetes objects the manager keeps in memory, and the functions that cut watched objects down to them,
// so that memory grows with tunnels and not with what else lives in the cluster.

import { FIELD_MANAGER } from '../api/group.ts';
import { CHILD_LABEL, CONFIG_HASH_ANNOTATION } from '../api/names.ts';
import { ownedFieldsOf } from './owned-fields.ts';

export interface CachedMetadata {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly resourceVersion: string;
}

export interface CachedSecret {
  readonly metadata: CachedMetadata;
}

export interface ServicePort {
  readonly name?: string | undefined;
  readonly port: number;
  readonly protocol?: string | undefined;
  readonly targetPort?: number | string | undefined;
}

export interface CachedService {
  readonly metadata: CachedMetadata;
  readonly type?: string | undefined;
  readonly headless: boolean;
  readonly ports: readonly ServicePort[];
}

/** One `from` × `to` list of a ReferenceGrant, kept whole: grants are few and small. */
export interface CachedGrant {
  readonly metadata: CachedMetadata;
  readonly from: readonly { readonly group?: string; readonly kind?: string; readonly namespace?: string }[];
  readonly to: readonly { readonly group?: string; readonly kind?: string; readonly name?: string }[];
}

/** A child without its body: what it was applied from, who owns which fields, and to whom it belongs. */
export interface CachedChild {
  readonly kind: string;
  readonly metadata: CachedMetadata & { readonly deletionTimestamp?: string | undefined };
  readonly tunnelUid: string | undefined;
  /** uid of the controller owner reference. */
  readonly controllerUid: string | undefined;
  readonly appliedHash: string | undefined;
  /** The fields of our own Apply entry, from ownedFieldsOf. */
  readonly ownedFields: string | undefined;
  /** Managers (operation Update) that own our owner reference: the Go operator's children. */
  readonly legacy: boolean;
  readonly finalizers: readonly string[];
  /** Deployment only. */
  readonly deployment?: DeploymentState | undefined;
  /** ConfigMap only: its `config.yaml`. */
  readonly config?: string | undefined;
}

export interface DeploymentState {
  readonly generation: number;
  readonly observedGeneration: number;
  readonly replicas: number;
  readonly configHash: string | undefined;
  readonly availableReplicas: number;
  readonly updatedReplicas: number;
  readonly totalReplicas: number;
  readonly conditions: readonly KubeCondition[];
}

export interface KubeCondition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string | undefined;
  readonly message?: string | undefined;
}

export interface CachedPod {
  readonly metadata: CachedMetadata & { readonly deletionTimestamp?: string | undefined };
  readonly tunnelUid: string | undefined;
  readonly configHash: string | undefined;
  readonly ready: boolean;
  readonly phase: string;
  readonly conditions: readonly KubeCondition[];
  readonly containers: readonly ContainerState[];
}

export interface ContainerState {
  readonly name: string;
  readonly ready: boolean;
  readonly restarts: number;
  /** Why it does not run; of a container that has ended, why it did. */
  readonly reason?: string | undefined;
  readonly message?: string | undefined;
  /** Epoch milliseconds, while it runs. */
  readonly startedAt?: number | undefined;
  /** How it ended last. */
  readonly exit?: ContainerExit | undefined;
}

export interface ContainerExit {
  /** Whether that is its state now; else it was started again, or waits for that. */
  readonly isNow: boolean;
  readonly reason?: string | undefined;
  /** What it left for the kubelet to read, cut. */
  readonly message?: string | undefined;
  readonly ranMs?: number | undefined;
}

const maxExitMessage = 1024;

/** On every child: a hash over the manifest it was applied from, so that an unchanged one is not applied again. */
export const APPLIED_HASH_ANNOTATION = 'rstream.io/applied-hash';

type Json = Record<string, unknown>;

export function cacheSecret(object: unknown): CachedSecret {
  return { metadata: metadataOf(object) };
}

export function cacheService(object: unknown): CachedService {
  const spec = record(record(object).spec);
  return {
    metadata: metadataOf(object),
    type: text(spec.type),
    headless: spec.clusterIP === 'None',
    ports: list(spec.ports).map((port) => ({
      name: text(port.name),
      port: Number(port.port),
      protocol: text(port.protocol),
      targetPort: typeof port.targetPort === 'number' ? port.targetPort : text(port.targetPort),
    })),
  };
}

export function cacheGrant(object: unknown): CachedGrant {
  const spec = record(record(object).spec);
  return {
    metadata: metadataOf(object),
    from: list(spec.from).map(({ group, kind, namespace }) => strings({ group, kind, namespace })),
    to: list(spec.to).map(({ group, kind, name }) => strings({ group, kind, name })),
  };
}

/** `kind` is given because items of a list carry none. */
export function cacheChild(kind: string, object: unknown): CachedChild {
  const body = record(object);
  const metadata = record(body.metadata);
  const owners = list(metadata.ownerReferences);
  const controller = text(owners.find((owner) => owner.controller === true)?.uid);
  const entries = list(metadata.managedFields);
  const ours = entries.find(isOurApply);

  return {
    kind,
    metadata: { ...metadataOf(object), deletionTimestamp: text(metadata.deletionTimestamp) },
    tunnelUid: text(record(metadata.labels)[CHILD_LABEL.tunnelUid]),
    controllerUid: controller,
    appliedHash: text(record(metadata.annotations)[APPLIED_HASH_ANNOTATION]),
    ownedFields: ours && ownedFieldsOf(ours.fieldsV1, controller),
    legacy: controller !== undefined && entries.some((entry) => ownsOwnerReference(entry, controller)),
    finalizers: Array.isArray(metadata.finalizers) ? metadata.finalizers.map(String) : [],
    deployment: kind === 'Deployment' ? deploymentState(body) : undefined,
    config: kind === 'ConfigMap' ? text(record(body.data)['config.yaml']) : undefined,
  };
}

export function cachePod(object: unknown): CachedPod {
  const body = record(object);
  const metadata = record(body.metadata);
  const status = record(body.status);
  const conditions = kubeConditions(status.conditions);
  return {
    metadata: { ...metadataOf(object), deletionTimestamp: text(metadata.deletionTimestamp) },
    tunnelUid: text(record(metadata.labels)[CHILD_LABEL.tunnelUid]),
    configHash: text(record(metadata.annotations)[CONFIG_HASH_ANNOTATION]),
    ready: conditions.some(({ type, status: value }) => type === 'Ready' && value === 'True'),
    phase: text(status.phase) ?? 'Unknown',
    conditions: conditions.filter(({ type }) => type === 'PodScheduled'),
    containers: [...list(status.initContainerStatuses), ...list(status.containerStatuses)].map(
      containerState,
    ),
  };
}

/** The managedFields entry of our own server-side applies. */
function isOurApply(entry: Json): boolean {
  return entry.manager === FIELD_MANAGER.manager && entry.operation === 'Apply' && !entry.subresource;
}

/** Whether an Update entry wrote the owner reference to this uid: its manager made the object. */
export function ownsOwnerReference(entry: Json, uid: string): boolean {
  if (entry.operation !== 'Update' || entry.subresource) return false;
  const references = record(record(record(entry.fieldsV1)['f:metadata'])['f:ownerReferences']);
  return Object.hasOwn(references, `k:{"uid":${JSON.stringify(uid)}}`);
}

function deploymentState(body: Json): DeploymentState {
  const spec = record(body.spec);
  const status = record(body.status);
  const template = record(record(spec.template).metadata);
  return {
    generation: number(record(body.metadata).generation),
    observedGeneration: number(status.observedGeneration),
    replicas: spec.replicas === undefined ? 1 : number(spec.replicas),
    configHash: text(record(template.annotations)[CONFIG_HASH_ANNOTATION]),
    availableReplicas: number(status.availableReplicas),
    updatedReplicas: number(status.updatedReplicas),
    totalReplicas: number(status.replicas),
    conditions: kubeConditions(status.conditions),
  };
}

function containerState(status: Json): ContainerState {
  const state = record(status.state);
  const current = record(state.waiting ?? state.terminated);
  const ended = state.terminated ?? record(status.lastState).terminated;
  return {
    name: text(status.name) ?? '',
    ready: status.ready === true,
    restarts: number(status.restartCount),
    reason: text(current.reason),
    message: text(current.message),
    startedAt: time(record(state.running).startedAt),
    exit: ended ? containerExit(record(ended), state.terminated !== undefined) : undefined,
  };
}

function containerExit({ reason, message, startedAt, finishedAt }: Json, isNow: boolean): ContainerExit {
  const [start, end] = [time(startedAt), time(finishedAt)];
  return {
    isNow,
    reason: text(reason),
    message: text(message)?.slice(0, maxExitMessage),
    ranMs: start === undefined || end === undefined ? undefined : end - start,
  };
}

function kubeConditions(value: unknown): KubeCondition[] {
  return list(value).map((condition) => ({
    type: text(condition.type) ?? '',
    status: text(condition.status) ?? '',
    reason: text(condition.reason),
    message: text(condition.message),
  }));
}

function metadataOf(object: unknown): CachedMetadata {
  const metadata = record(record(object).metadata);
  return {
    name: text(metadata.name) ?? '',
    namespace: text(metadata.namespace) ?? '',
    uid: text(metadata.uid) ?? '',
    resourceVersion: text(metadata.resourceVersion) ?? '',
  };
}

function strings<K extends string>(fields: Record<K, unknown>): { [key in K]?: string } {
  const kept: { [key in K]?: string } = {};
  for (const key of Object.keys(fields) as K[]) {
    const value = text(fields[key]);
    if (value !== undefined) kept[key] = value;
  }
  return kept;
}

function record(value: unknown): Json {
  return typeof value === 'object' && value !== null ? (value as Json) : {};
}

function list(value: unknown): Json[] {
  return Array.isArray(value) ? value.map(record) : [];
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function time(value: unknown): number | undefined {
  const ms = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms;
}

function number(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}
