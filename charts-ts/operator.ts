// Operator: an installation of the manager with its namespace, identity and rights. The CRDs are a construct of their own
// (`Crds`), because they outlive any one installation.

import { ApiObject } from 'cdk8s';
import { k8s } from 'cdk8s-plus-28';
import { Construct } from 'constructs';
import { DEFAULT_IMAGE } from './image.ts';
import { Manager } from './manager.ts';
import { Monitoring } from './monitoring.ts';
import { ManagerNetworkPolicy } from './network-policy.ts';
import type { OperatorProps } from './operator-props.ts';
import { isPresent, layOn, overlaysOf } from './overlay.ts';
import { RESTRICTED_NAMESPACE_LABELS } from './pod-security.ts';
import {
  Grant,
  leaderElectionRules,
  MANAGER_RULES,
  namespaceIdentityRules,
  type Subject,
  UserRoles,
} from './rbac.ts';

type Annotations = Readonly<Record<string, string>>;

const LEASE = 'rstream-operator.tunnels.rstream.io';

/** Installs the manager. Without props: one replica in namespace rstream-system, for all namespaces. */
export class Operator extends Construct {
  readonly name: string;
  readonly namespace: string;
  readonly #labels: Readonly<Record<string, string>>;
  readonly #serviceAccount: string;

  constructor(scope: Construct, id: string, props: OperatorProps = {}) {
    super(scope, id);
    const {
      name = 'rstream-operator',
      namespace = 'rstream-system',
      image = DEFAULT_IMAGE,
      replicas = 1,
    } = props;
    if (replicas > 1 && props.leaderElection === false) {
      throw new RangeError(
        'replicas over 1 need leaderElection: without it every manager acts on every tunnel',
      );
    }
    const selector = props.selector ?? {
      'app.kubernetes.io/name': 'rstream-operator',
      'app.kubernetes.io/instance': name,
      'app.kubernetes.io/component': 'manager',
    };
    this.name = name;
    this.namespace = namespace;
    this.#labels = { ...props.labels, ...selector, 'app.kubernetes.io/part-of': 'rstream' };

    const account = props.serviceAccount ?? {};
    this.#serviceAccount = account.name ?? name;
    const shared = { name, namespace, selector, labels: this.#labels };

    if (props.createNamespace ?? true) this.#addNamespace();
    if (account.create ?? true) this.#addServiceAccount();
    this.#addRights(props.watchNamespaces ?? []);
    if (props.userRoles ?? !isPresent(props.watchNamespaces)) this.#addUserRoles();
    if (props.leaderElection ?? true) this.#addLeaderElection();
    const serviceAccountName = this.#serviceAccount;
    new Manager(this, 'manager', { ...props, ...shared, image, replicas, serviceAccountName });
    if (props.monitoring) new Monitoring(this, 'monitoring', { ...props.monitoring, ...shared });
    if (props.networkPolicy) new ManagerNetworkPolicy(this, 'network', { ...props.networkPolicy, ...shared });
    if (props.podDisruptionBudget) this.#addDisruptionBudget(selector);
    this.#annotate(props.annotations ?? {}, account.annotations ?? {});
  }

  #addNamespace(): void {
    new k8s.KubeNamespace(this, 'namespace', {
      metadata: { name: this.namespace, labels: { ...this.#labels, ...RESTRICTED_NAMESPACE_LABELS } },
    });
  }

  #addServiceAccount(): void {
    new k8s.KubeServiceAccount(this, 'service-account', {
      metadata: { name: this.#serviceAccount, namespace: this.namespace, labels: this.#labels },
    });
  }

  /** What is said of one object wins, and comes first: of Helm's maps the first one wins. */
  #annotate(everywhere: Annotations, ofServiceAccount: Annotations): void {
    for (const object of this.node.findAll()) {
      if (!ApiObject.isApiObject(object)) continue;
      const own = object.kind === 'ServiceAccount' ? ofServiceAccount : {};
      layOn(object, overlaysOf(['metadata'], { annotations: { ...own, ...everywhere, ...own } }));
    }
  }

  #addDisruptionBudget(matchLabels: Readonly<Record<string, string>>): void {
    new k8s.KubePodDisruptionBudget(this, 'disruption-budget', {
      metadata: { name: this.name, namespace: this.namespace, labels: this.#labels },
      spec: { maxUnavailable: k8s.IntOrString.fromNumber(1), selector: { matchLabels } },
    });
  }

  /** Rights in the whole cluster, or in the listed namespaces and then nowhere else. */
  #addRights(namespaces: readonly string[]): void {
    const shared = {
      name: `${this.name}-manager-role`,
      bindingName: `${this.name}-manager-rolebinding`,
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
  }

  #addUserRoles(): void {
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
    return { labels: this.#labels, subject: { name: this.#serviceAccount, namespace: this.namespace } };
  }
}
