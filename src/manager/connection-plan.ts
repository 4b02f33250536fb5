// What a connection's spec asks for, before anything is sent: which Secrets it uses, and whether its engine is named
// outright or must be asked for. Pure.

import type { RstreamConnectionSpec } from '../api/resources.ts';
import { type Blocked, blocked } from './blocked.ts';
import type { ConnectionBlockReason } from './connection-outcome.ts';
import { headerNamesProblem, isHeaderValue } from './control-plane-headers.ts';
import { isRegion, normalizeRegion } from './control-plane-project.ts';
import type { ProjectRef } from './control-plane-url.ts';
import { formatEngine, isObjectName, parseEngine } from './engine-host.ts';
import { allowedBy } from './pattern.ts';
import type { SecretKeyRef, SecretUse, SecretValues } from './secret-values.ts';
import { transportProblem } from './transport-problem.ts';

const defaultApiUrl = 'https://rstream.io';

/** A question to a control plane, with everything it needs but the signal. */
export interface ProjectQuestion {
  readonly apiUrl: string;
  readonly project: ProjectRef;
  readonly region: string | undefined;
  readonly token: string;
  readonly headers: ReadonlyMap<string, string>;
}

export type ConnectionPlan =
  | { readonly engine: string }
  | { readonly question: ProjectQuestion }
  | Blocked<ConnectionBlockReason>;

/** Every Secret key the spec refers to. */
export function secretUses(spec: RstreamConnectionSpec): readonly SecretUse[] {
  const { tokenSecretRef, mtls, tls, transport, controlPlaneHeaders = [] } = spec;
  const proxy = transport?.proxy;
  const agents: readonly (readonly [string, SecretKeyRef | undefined])[] = [
    ['spec.tokenSecretRef', tokenSecretRef],
    ['spec.mtls.certSecretRef', mtls?.certSecretRef],
    ['spec.mtls.keySecretRef', mtls?.keySecretRef],
    ['spec.mtls.caSecretRef', mtls?.caSecretRef],
    ['spec.tls.caSecretRef', tls?.caSecretRef],
    ['spec.transport.proxy.usernameSecretRef', proxy?.usernameSecretRef],
    ['spec.transport.proxy.passwordSecretRef', proxy?.passwordSecretRef],
  ];
  const headers = controlPlaneHeaders.map(
    ({ name, valueSecretRef }) => [headerField(name), valueSecretRef] as const,
  );
  return [
    ...agents.flatMap(([field, ref]) =>
      ref ? [{ field, name: ref.name, key: ref.key, isAgents: true }] : [],
    ),
    ...headers.map(([field, ref]) => ({ field, name: ref.name, key: ref.key, isAgents: false })),
  ];
}

/** What the schema cannot know, or knew less of when the object was stored. Needs no Secret and no network. */
export function connectionSpecProblem(spec: RstreamConnectionSpec): string | undefined {
  const region = normalizeRegion(spec.region);
  if (spec.engine && region !== undefined) {
    return "spec.region chooses among a project's engines and cannot be combined with spec.engine; remove one";
  }
  if (region !== undefined && !isRegion(region)) return `spec.region "${region}" is not a region`;
  if (spec.engine && parseEngine(spec.engine) === undefined) {
    return 'spec.engine must be host, host:port or [IPv6]:port; write one like engine.example.com:443';
  }
  return (
    secretNamesProblem(spec) ??
    headerNamesProblem((spec.controlPlaneHeaders ?? []).map(({ name }) => name)) ??
    transportProblem(spec.transport ?? {})
  );
}

/** A name no Secret can have is a slip of the pen, not a Secret that may still come; the API server is not asked for it. */
function secretNamesProblem(spec: RstreamConnectionSpec): string | undefined {
  const wrong = secretUses(spec).find(({ name }) => !isObjectName(name));
  return (
    wrong &&
    `${wrong.field} names Secret "${wrong.name}", but names of Secrets have lower-case letters, digits, - and . only; correct it`
  );
}

/** `values` holds every Secret value that secretUses asked for. */
export function connectionPlan(
  spec: RstreamConnectionSpec,
  values: SecretValues,
  allowedEngines: readonly string[],
): ConnectionPlan {
  if (spec.engine) {
    const engine = parseEngine(spec.engine);
    if (engine === undefined)
      return blocked('InvalidSpec', 'spec.engine must be host, host:port or [IPv6]:port');
    return engineAllowed(formatEngine(engine), allowedEngines) ?? { engine: formatEngine(engine) };
  }

  const token = values.get('spec.tokenSecretRef')?.trim() ?? '';
  if (!isHeaderValue(token)) {
    return blocked(
      'InvalidSpec',
      'the token of spec.tokenSecretRef contains characters no header can carry; replace it',
    );
  }
  const headers = new Map<string, string>();
  for (const { name } of spec.controlPlaneHeaders ?? []) {
    const value = values.get(headerField(name))?.trim() ?? '';
    if (!isHeaderValue(value)) {
      const message = `the value of control-plane header ${name} contains CR, LF or another control character; replace it`;
      return blocked('InvalidSpec', message);
    }
    headers.set(name, value);
  }
  return {
    question: { apiUrl: apiUrlOf(spec), project: projectOf(spec), region: spec.region, token, headers },
  };
}

/** A refusal by --allowed-engines, or undefined. */
export function engineAllowed(
  engine: string,
  patterns: readonly string[],
): Blocked<'PolicyDenied'> | undefined {
  if (allowedBy(patterns, engine)) return undefined;
  const message = `engine ${engine} is not allowed by the operator (--allowed-engines); use another one`;
  return blocked('PolicyDenied', message, true);
}

export function apiUrlOf(spec: RstreamConnectionSpec): string {
  return spec.apiURL?.trim() || defaultApiUrl;
}

/** As status shows it. */
export function regionOf(spec: RstreamConnectionSpec): string {
  return normalizeRegion(spec.region) ?? 'auto';
}

function projectOf(spec: RstreamConnectionSpec): ProjectRef {
  return spec.projectEndpoint ? { endpoint: spec.projectEndpoint } : { id: spec.projectID ?? '' };
}

function headerField(name: string): string {
  return `spec.controlPlaneHeaders ${name}`;
}
