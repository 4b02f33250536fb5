// Operator: an installation of the manager with its namespace, identity and rights. The CRDs are a construct of their own
// (`Crds`), because they outlive any one installation.

import { k8s } from 'cdk8s-plus-28';
import { Construct } from 'constructs';
import { DEFAULT_IMAGE } from './image.ts';
import { Manager } from './manager.ts';
import type { OperatorProps } from './operator-props.ts';
import { RESTRICTED_NAMESPACE_LABELS } from './pod-security.ts';
import {
  Grant,
  leaderElectionRules,
  MANAGER_RULES,
  namespaceIdentityRules,
  type Subject,
  UserRoles,
} from './rbac.ts';

const LEASE = 'rstream-operator.tunnels.rstream.io';

/** Installs the manager. Without props: one replica in namespace rstream-system, for all namespaces. */
export class Operator extends Construct {
  readonly name: string;
  readonly namespace: string;
  readonly #labels: Readonly<Record<string, string>>;

  constructor(scope: Construct, id: string, props: OperatorProps = {}) {
    super(scope, id);
    const {
      name = 'rstream-operator',
      namespace = 'rstream-system',
      image = DEFAULT_IMAGE,
      replicas = 1,
    } = props;
    const selector = {
      'app.kubernetes.io/name': 'rstream-operator',
      'app.kubernetes.io/instance': name,
      'app.kubernetes.io/component': 'manager',
    };
    this.name = name;
    this.namespace = namespace;
    this.#labels = { ...props.labels, ...selector, 'app.kubernetes.io/part-of': 'rstream' };

    if (props.createNamespace ?? true) this.#addNamespace();
    new k8s.KubeServiceAccount(this, 'service-account', {
      metadata: { name, namespace, labels: this.#labels },
    });
    this.#addRights(props.watchNamespaces ?? []);
    if (props.leaderElection ?? true) this.#addLeaderElection();
    new Manager(this, 'manager', {
      ...props,
      name,
      namespace,
      image,
      replicas,
      selector,
      labels: this.#labels,
    });
  }

  #addNamespace(): void {
    new k8s.KubeNamespace(this, 'namespace', {
      metadata: { name: this.namespace, labels: { ...this.#labels, ...RESTRICTED_NAMESPACE_LABELS } },
    });
  }

  /** Rights in the whole cluster, or in the listed namespaces and then nowhere else. */
  #addRights(namespaces: readonly string[]): void {
    const shared = {
      name: `${this.name}-manager-role`,
      bindingName: `${this.name}-manager`,
      ...this.#grantee(),
    };

    for (const namespace of namespaces) {
      const rules = [...MANAGER_RULES, ...namespaceIdentityRules(namespace)];
      new Grant(this, `rights-${namespace}`, { ...shared, namespace, rules });
    }
    if (namespaces.length > 0) return;

    new Grant(this, 'rights', { ...shared, rules: MANAGER_RULES });
    new Grant(this, 'cluster-identity', {
      name: `${this.name}-cluster-identity`,
      namespace: 'kube-system',
      rules: namespaceIdentityRules('kube-system'),
      ...this.#grantee(),
    });
    new UserRoles(this, 'user-roles', { name: this.name, labels: this.#labels });
  }

  #addLeaderElection(): void {
    new Grant(this, 'leader-election', {
      name: `${this.name}-leader-election`,
      namespace: this.namespace,
      rules: leaderElectionRules(LEASE),
      ...this.#grantee(),
    });
  }

  #grantee(): { readonly labels: Readonly<Record<string, string>>; readonly subject: Subject } {
    return { labels: this.#labels, subject: { name: this.name, namespace: this.namespace } };
  }
}
