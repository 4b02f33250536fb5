// Names and labels of the objects one tunnel becomes. They equal those of rstream's Go operator, so that its children
// are adopted instead of doubled; changing any of them orphans what is already running.

/** Which tunnel something belongs to. */
export interface TunnelIdentity {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
}

export type ChildComponent = 'agent' | 'config' | 'agent-rbac';

export interface ChildNames {
  /** ServiceAccount, Role, RoleBinding, Deployment and PodDisruptionBudget. */
  readonly base: string;
  /** ConfigMap. */
  readonly config: string;
}

/** Pod template annotation that changes when, and only when, the agents must be rolled. */
export const CONFIG_HASH_ANNOTATION = 'rstream.io/config-hash';

/** The eight label keys every child carries; the Deployment's selector is all of them. */
export const CHILD_LABEL = {
  name: 'app.kubernetes.io/name',
  instance: 'app.kubernetes.io/instance',
  component: 'app.kubernetes.io/component',
  partOf: 'app.kubernetes.io/part-of',
  managedBy: 'app.kubernetes.io/managed-by',
  tunnelName: 'rstream.io/tunnel-name',
  tunnelNamespace: 'rstream.io/tunnel-namespace',
  tunnelUid: 'rstream.io/tunnel-uid',
} as const;

const MAX_LABEL_VALUE = 63;
const MAX_BASE_STEM = 54;

/** Lower-case, each run of anything but a–z and 0–9 becomes one `-`, and none is left at the ends. */
export function slug(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');
}

/** 32-bit FNV-1a over the UTF-8 bytes, as 8 hex digits. */
export function fnv1a(text: string): string {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, '0');
}

/** The name shared by a tunnel's children: at most 63 characters, a DNS label, different for every uid. */
export function childBase(name: string, uid: string): string {
  const stem = slug(`rstream-${name}`).slice(0, MAX_BASE_STEM).replace(/-+$/, '');
  return `${stem}-${fnv1a(uid)}`;
}

export function childNames(name: string, uid: string): ChildNames {
  const base = childBase(name, uid);
  return { base, config: `${base}-config` };
}

/** All eight labels of a child. */
export function childLabels(identity: TunnelIdentity, component: ChildComponent): Record<string, string> {
  return {
    [CHILD_LABEL.name]: 'rstream-operator',
    [CHILD_LABEL.instance]: childBase(identity.name, identity.uid),
    [CHILD_LABEL.component]: component,
    [CHILD_LABEL.partOf]: 'rstream',
    [CHILD_LABEL.managedBy]: 'rstream-operator',
    [CHILD_LABEL.tunnelName]: labelValue(identity.name),
    [CHILD_LABEL.tunnelNamespace]: identity.namespace,
    [CHILD_LABEL.tunnelUid]: identity.uid,
  };
}

/** The name under which the engine knows a tunnel when its spec names none; never cut. */
export function defaultTunnelName(namespace: string, name: string): string {
  return slug(`${namespace}-${name}`);
}

/** A name of an object (up to 253 characters) as a label value (up to 63): cut, with a hash of the whole. */
function labelValue(name: string): string {
  if (name.length <= MAX_LABEL_VALUE) return name;
  const stem = name.slice(0, MAX_BASE_STEM).replace(/[^A-Za-z0-9]+$/, '');
  return `${stem}-${fnv1a(name)}`;
}
