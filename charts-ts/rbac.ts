// The rights of the manager and of people. The manager's are exactly what it uses, plus what it must hold itself to hand
// an agent its Role: Kubernetes lets nobody grant more than they have.

import { k8s } from 'cdk8s-plus-28';
import { Construct } from 'constructs';
import { API_GROUP, CONNECTION_PLURAL, TUNNEL_PLURAL } from '../src/api/group.ts';

const WATCH = ['list', 'watch'];
const READ = ['get', ...WATCH];
const APPLY = [...READ, 'create', 'patch'];

/** What the manager needs in every namespace whose tunnels it runs. */
export const MANAGER_RULES: readonly k8s.PolicyRule[] = [
  // get and patch: to take over what rstream's Go operator wrote.
  { apiGroups: [API_GROUP], resources: [CONNECTION_PLURAL, TUNNEL_PLURAL], verbs: [...READ, 'patch'] },
  { apiGroups: [API_GROUP], resources: [`${CONNECTION_PLURAL}/status`], verbs: ['patch'] },
  { apiGroups: [API_GROUP], resources: [`${TUNNEL_PLURAL}/status`], verbs: ['get', 'patch'] },
  { apiGroups: [''], resources: ['configmaps', 'serviceaccounts'], verbs: APPLY },
  { apiGroups: [''], resources: ['secrets'], verbs: READ },
  { apiGroups: [''], resources: ['services', 'pods'], verbs: WATCH },
  { apiGroups: ['apps'], resources: ['deployments'], verbs: [...APPLY, 'delete'] },
  { apiGroups: ['policy'], resources: ['poddisruptionbudgets'], verbs: [...APPLY, 'delete'] },
  {
    apiGroups: ['rbac.authorization.k8s.io'],
    resources: ['roles', 'rolebindings'],
    verbs: APPLY,
  },
  { apiGroups: ['events.k8s.io'], resources: ['events'], verbs: ['create', 'patch'] },
  { apiGroups: ['gateway.networking.k8s.io'], resources: ['referencegrants'], verbs: WATCH },
];

/** A Lease cannot be created under a rule that names it, so `create` stands alone. */
export function leaderElectionRules(lease: string): readonly k8s.PolicyRule[] {
  const leases = { apiGroups: ['coordination.k8s.io'], resources: ['leases'] };

  return [
    { ...leases, verbs: ['create'] },
    { ...leases, resourceNames: [lease], verbs: ['get', 'patch'] },
  ];
}

/** The UID of one namespace identifies the cluster in generated hostnames. */
export function namespaceIdentityRules(namespace: string): readonly k8s.PolicyRule[] {
  return [{ apiGroups: [''], resources: ['namespaces'], resourceNames: [namespace], verbs: ['get'] }];
}

/** A ServiceAccount and where it lives. */
export interface Subject {
  readonly name: string;
  readonly namespace: string;
}

export interface GrantProps {
  readonly name: string;
  /** Where the rights hold; absent = in the whole cluster. */
  readonly namespace?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly rules: readonly k8s.PolicyRule[];
  readonly subject: Subject;
  /** @default the grant's own name */
  readonly bindingName?: string;
}

/** A role and its binding to one ServiceAccount. */
export class Grant extends Construct {
  constructor(scope: Construct, id: string, props: GrantProps) {
    super(scope, id);
    const { name, namespace } = props;
    const metadata = { name, labels: props.labels, ...(namespace === undefined ? {} : { namespace }) };
    const binding = {
      metadata: { ...metadata, name: props.bindingName ?? name },
      roleRef: {
        apiGroup: 'rbac.authorization.k8s.io',
        kind: namespace === undefined ? 'ClusterRole' : 'Role',
        name,
      },
      subjects: [{ kind: 'ServiceAccount', ...props.subject }],
    };
    const rules = [...props.rules];

    if (namespace === undefined) {
      new k8s.KubeClusterRole(this, 'role', { metadata, rules });
      new k8s.KubeClusterRoleBinding(this, 'binding', binding);
    } else {
      new k8s.KubeRole(this, 'role', { metadata, rules });
      new k8s.KubeRoleBinding(this, 'binding', binding);
    }
  }
}

export interface UserRolesProps {
  /** Prefix of the roles' names. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * Rights for people, aggregated into Kubernetes' own view, edit and admin. A connection uses any Secret of its namespace
 * and a tunnel creates Pods there: `edit` may do both already, `view` may neither, so writing starts at `edit`.
 * https://kubernetes.io/docs/reference/access-authn-authz/rbac/#aggregated-clusterroles
 */
export class UserRoles extends Construct {
  constructor(scope: Construct, id: string, props: UserRolesProps) {
    super(scope, id);
    const resources = [CONNECTION_PLURAL, TUNNEL_PLURAL];
    const status = resources.map((resource) => `${resource}/status`);

    this.#addRole(
      props,
      'view',
      ['view', 'edit', 'admin'],
      [{ apiGroups: [API_GROUP], resources: [...resources, ...status], verbs: READ }],
    );
    this.#addRole(
      props,
      'edit',
      ['edit', 'admin'],
      [
        {
          apiGroups: [API_GROUP],
          resources,
          verbs: ['create', 'update', 'patch', 'delete', 'deletecollection'],
        },
      ],
    );
  }

  #addRole(props: UserRolesProps, id: string, into: readonly string[], rules: k8s.PolicyRule[]): void {
    const aggregation = into.map((role) => [`rbac.authorization.k8s.io/aggregate-to-${role}`, 'true']);

    new k8s.KubeClusterRole(this, id, {
      metadata: {
        name: `${props.name}-${id}`,
        labels: { ...props.labels, ...Object.fromEntries(aggregation) },
      },
      rules,
    });
  }
}
