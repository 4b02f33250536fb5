// What an API server's audit log says about one user, and how that compares with the rights the user was given.

import { readFileSync } from 'node:fs';

/** For KubeApiserver's `auditPolicy`: every request, without bodies, once it was answered. */
export const AUDIT_POLICY = JSON.stringify({
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived', 'ResponseStarted'],
  rules: [{ level: 'Metadata' }],
});

export interface AuditEvent {
  readonly verb: string;
  readonly user: { readonly username: string };
  readonly userAgent?: string;
  readonly requestURI: string;
  /** RFC 3339 with microseconds. */
  readonly requestReceivedTimestamp: string;
  readonly objectRef?: {
    readonly apiGroup?: string;
    readonly resource?: string;
    readonly subresource?: string;
    readonly namespace?: string;
    readonly name?: string;
  };
  readonly responseStatus?: { readonly code?: number };
}

/** One thing somebody may do, or has done. */
export interface Right {
  readonly verb: string;
  /** Like `apps/deployments` or `/pods`. */
  readonly resource: string;
  /** Absent: in every namespace. */
  readonly namespace?: string;
  /** Absent: whatever its name. */
  readonly name?: string;
}

export function auditEvents(file: string, username: string): readonly AuditEvent[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line.endsWith('}'))
    .map((line): AuditEvent => JSON.parse(line))
    .filter(({ user }) => user.username === username);
}

/** Requests that were refused for lack of rights. */
export function refusedIn(events: readonly AuditEvent[]): readonly string[] {
  return events
    .filter(({ responseStatus }) => responseStatus?.code === 403)
    .map(({ verb, requestURI }) => `${verb} ${requestURI.replace(/\?.*/, '')}`);
}

/**
 * What was done or would have been: looking for what is not there needs the right as well. An apply that made the object
 * needed `create` besides `patch`: it answered 201.
 */
export function usesIn(events: readonly AuditEvent[]): readonly Right[] {
  return events.flatMap(({ verb, objectRef, responseStatus }) => {
    if (objectRef?.resource === undefined || responseStatus?.code === 403) return [];
    const { apiGroup = '', resource, subresource, namespace, name } = objectRef;
    const use = {
      verb,
      resource: `${apiGroup}/${resource}${subresource ? `/${subresource}` : ''}`,
      ...(namespace && { namespace }),
      ...(name && { name }),
    };
    return verb === 'patch' && responseStatus?.code === 201 ? [use, { ...use, verb: 'create' }] : [use];
  });
}

/** A manifest of any kind, as far as rights are concerned. */
export interface RoleLike {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string | undefined };
  readonly rules?: readonly {
    readonly apiGroups?: readonly string[];
    readonly resources?: readonly string[];
    readonly resourceNames?: readonly string[];
    readonly verbs: readonly string[];
  }[];
}

/** Every single right in some roles. */
export function rightsOf(roles: readonly RoleLike[]): readonly Right[] {
  return roles.flatMap(({ metadata: { namespace }, rules = [] }) =>
    rules.flatMap(({ apiGroups = [''], resources = [], resourceNames, verbs }) =>
      resources.flatMap((resource) =>
        apiGroups.flatMap((group) =>
          verbs.flatMap((verb) =>
            (resourceNames ?? [undefined]).map((name) => ({
              verb,
              resource: `${group}/${resource}`,
              ...(namespace !== undefined && { namespace }),
              ...(name !== undefined && { name }),
            })),
          ),
        ),
      ),
    ),
  );
}

/** Rights that no use needed, as people read them. */
export function unusedIn(rights: readonly Right[], uses: readonly Right[]): readonly string[] {
  return rights
    .filter((right) => !uses.some((use) => covers(right, use)))
    .map(({ verb, resource, name }) => [verb, resource, name].filter(Boolean).join(' '));
}

function covers(right: Right, use: Right): boolean {
  return (
    right.verb === use.verb &&
    right.resource === use.resource &&
    (right.namespace === undefined || right.namespace === use.namespace) &&
    (right.name === undefined || right.name === use.name)
  );
}
