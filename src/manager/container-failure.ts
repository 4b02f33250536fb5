// Why a container of an agent cannot run, with the cause's own words, and the same words for as long as that lasts: through
// every try of a crash loop, whatever the kubelet says at the moment. Pure.

import { AGENT_CONTAINER } from '../../charts-ts/agent-pod.ts';
import type { ContainerExit, ContainerState } from './cached-objects.ts';

export interface ContainerFailure {
  readonly message: string;
  /** When to look again at a container that runs once more: only time can tell that it has recovered. */
  readonly againInMs?: number | undefined;
}

const brokenImage = new Set([
  'ImagePullBackOff',
  'ErrImagePull',
  'InvalidImageName',
  'ErrImageNeverPull',
  'RegistryUnavailable',
  'ImageInspectError',
]);
const brokenContainer = new Set([
  'CreateContainerConfigError',
  'CreateContainerError',
  'RunContainerError',
  'StartError',
]);
/** What the runtime says of a process that did not even begin. */
const notStarted = new Set(['StartError', 'ContainerCannotRun']);
const maxWords = 512;

const minRecoveryMs = 60_000;
/** The kubelet, too, begins anew after a run of ten minutes. https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy */
const maxRecoveryMs = 10 * 60_000;

/** `now` is epoch milliseconds. */
export function containerFailure(
  pod: string,
  container: ContainerState,
  now: number,
): ContainerFailure | undefined {
  const { name, reason, message, exit } = container;
  if (reason !== undefined && brokenImage.has(reason)) {
    return { message: `Pod ${podStem(pod)}: the image cannot be pulled: ${imageWords(reason, message)}` };
  }
  const againInMs = crashesFor(container, now);
  if (againInMs !== undefined) {
    return { message: crashWords(name, exit), againInMs: Number.isFinite(againInMs) ? againInMs : undefined };
  }
  if (reason === undefined || !brokenContainer.has(reason)) return undefined;
  if (notStarted.has(exit?.reason ?? '')) return { message: crashWords(name, exit) };
  return { message: `container ${name} cannot start: ${reason}${message ? `: ${oneLine(message)}` : ''}` };
}

/**
 * How long (milliseconds) the container counts as crashing if nothing changes; undefined when it does not. One that was
 * started again has recovered once it is ready, or has run twice as long as the last time.
 */
function crashesFor(container: ContainerState, now: number): number | undefined {
  const { name, reason, ready, restarts, startedAt, exit } = container;
  if (reason === 'CrashLoopBackOff') return Infinity;
  // An init container that a mesh injected runs again with each sandbox of the Pod.
  if (name !== AGENT_CONTAINER && exit?.reason === 'Completed') return undefined;
  const crashes = restarts + (exit?.isNow ? 1 : 0);
  const ranMs = exit?.ranMs ?? 0;
  if (ready || crashes < 2 || ranMs >= maxRecoveryMs) return undefined;
  if (startedAt === undefined) return brokenContainer.has(reason ?? '') ? undefined : Infinity;
  const remaining = startedAt + Math.min(Math.max(2 * ranMs, minRecoveryMs), maxRecoveryMs) - now;
  return remaining > 0 ? Math.min(remaining, maxRecoveryMs) : undefined;
}

function crashWords(name: string, exit: ContainerExit | undefined): string {
  const said = oneLine(exit?.message ?? '');
  if (notStarted.has(exit?.reason ?? '') && said) return `container ${name} cannot start: ${said}`;
  const how = exit?.reason ?? 'CrashLoopBackOff';
  const what = name === AGENT_CONTAINER ? 'the agent' : `container ${name}`;
  return `${what} keeps crashing (${how})${said ? `: ${said}` : ''}; see its logs`;
}

/** Whatever a container left behind, on one line. */
function oneLine(text: string): string {
  const line = text.replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ').trim();
  return line.length <= maxWords ? line : `${line.slice(0, maxWords - 1)}…`;
}

/** ErrImagePull and ImagePullBackOff alternate; both say the same. */
function imageWords(reason: string, message: string | undefined): string {
  const image = /image "([^"]+)"/.exec(message ?? '')?.[1];
  if (reason === 'ErrImagePull' || reason === 'ImagePullBackOff')
    return image ? `"${image}"` : 'ImagePullBackOff';
  return message ? `${reason}: ${oneLine(message)}` : reason;
}

/** Pods of one ReplicaSet differ in the last part of their names only. */
function podStem(name: string): string {
  return name.replace(/-[a-z0-9]{5}$/, '');
}
