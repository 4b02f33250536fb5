// TunnelAgent: everything that one tunnel becomes in its namespace. Pure: the same props give the same objects, key for key.

import { App, Chart } from 'cdk8s';
import { k8s } from 'cdk8s-plus-28';
import { Construct } from 'constructs';
import { stringifyAgentConfig } from '../src/api/agent-config.ts';
import { API_GROUP, API_GROUP_VERSION, TUNNEL_KIND, TUNNEL_PLURAL } from '../src/api/group.ts';
import {
  type ChildComponent,
  type ChildNames,
  CONFIG_HASH_ANNOTATION,
  childLabels,
  childNames,
} from '../src/api/names.ts';
import { agentReplicas, agentStrategy } from './agent-lock.ts';
import { AGENT_RESOURCES, agentPodSpec } from './agent-pod.ts';
import type { AgentPodSettings, KubeManifest, TunnelAgentProps } from './agent-props.ts';
import { isPresent, layOn, type Overlay, overlaysOf } from './overlay.ts';

/**
 * The objects that run one tunnel's agent, each owned by the RstreamTunnel: ConfigMap, ServiceAccount, Role, RoleBinding,
 * Deployment and, over one replica, PodDisruptionBudget.
 */
export class TunnelAgent extends Construct {
  readonly #props: TunnelAgentProps;
  readonly #names: ChildNames;

  constructor(scope: Construct, id: string, props: TunnelAgentProps) {
    super(scope, id);
    this.#props = props;
    this.#names = childNames(props.tunnel.name, props.tunnel.uid);

    this.#addConfig();
    this.#addIdentity();
    if (props.suspended) return;

    this.#addDeployment();
    if (agentReplicas(props.config.tunnel, props.agent) > 1) this.#addDisruptionBudget();
  }

  #addConfig(): void {
    new k8s.KubeConfigMap(this, 'config', {
      metadata: { ...this.#metadata('config'), name: this.#names.config },
      data: { 'config.yaml': stringifyAgentConfig(this.#props.config) },
    });
  }

  /** An agent reads its own tunnel and writes its status, and nothing else in the cluster. */
  #addIdentity(): void {
    const metadata = this.#metadata('agent-rbac');
    const { base: name } = this.#names;
    const resourceNames = [this.#props.tunnel.name];

    new k8s.KubeServiceAccount(this, 'service-account', { metadata });
    new k8s.KubeRole(this, 'role', {
      metadata,
      rules: [
        { apiGroups: [API_GROUP], resources: [TUNNEL_PLURAL], resourceNames, verbs: ['get'] },
        {
          apiGroups: [API_GROUP],
          resources: [`${TUNNEL_PLURAL}/status`],
          resourceNames,
          verbs: ['get', 'patch'],
        },
      ],
    });
    new k8s.KubeRoleBinding(this, 'role-binding', {
      metadata,
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
      subjects: [{ kind: 'ServiceAccount', name, namespace: this.#props.tunnel.namespace }],
    });
  }

  #addDeployment(): void {
    const { agent = {}, config } = this.#props;
    const labels = this.#labels('agent');
    const deployment = new k8s.KubeDeployment(this, 'deployment', {
      metadata: this.#metadata('agent'),
      spec: {
        replicas: agentReplicas(config.tunnel, agent),
        revisionHistoryLimit: 2,
        selector: { matchLabels: labels },
        strategy: deploymentStrategy(agentStrategy(config.tunnel, agent)),
        template: { metadata: { labels }, spec: agentPodSpec(this.#props, this.#names) },
      },
    });

    layOn(deployment, this.#podOverlays(agent, labels));
  }

  #podOverlays(agent: AgentPodSettings, labels: Record<string, string>): readonly Overlay[] {
    const annotations = { ...agent.podAnnotations, [CONFIG_HASH_ANNOTATION]: this.#props.configHash };
    const { nodeSelector, tolerations, affinity, priorityClassName } = agent;
    const { imagePullSecrets, terminationGracePeriodSeconds, imagePullPolicy } = agent;
    const spread = isPresent(agent.topologySpreadConstraints)
      ? agent.topologySpreadConstraints
      : this.#defaultSpread(labels);
    const podFields = {
      nodeSelector,
      tolerations,
      affinity,
      priorityClassName,
      imagePullSecrets,
      terminationGracePeriodSeconds,
      topologySpreadConstraints: spread,
    };
    const containerFields = {
      resources: isPresent(agent.resources) ? agent.resources : AGENT_RESOURCES,
      imagePullPolicy,
    };

    return [
      { path: [...TEMPLATE, 'metadata', 'annotations'], value: annotations },
      { path: [...TEMPLATE, 'metadata', 'labels'], value: { ...agent.podLabels, ...labels } },
      ...overlaysOf([...TEMPLATE, 'spec'], podFields),
      ...overlaysOf([...TEMPLATE, 'spec', 'containers', 0], containerFields),
    ];
  }

  /** Soft: two agents on one node are better than one agent. */
  #defaultSpread(labels: Record<string, string>): readonly object[] {
    if (agentReplicas(this.#props.config.tunnel, this.#props.agent) === 1) return [];

    const topologyKey = 'kubernetes.io/hostname';
    return [
      {
        maxSkew: 1,
        topologyKey,
        whenUnsatisfiable: 'ScheduleAnyway',
        labelSelector: { matchLabels: labels },
      },
    ];
  }

  #addDisruptionBudget(): void {
    new k8s.KubePodDisruptionBudget(this, 'disruption-budget', {
      metadata: this.#metadata('agent'),
      spec: {
        maxUnavailable: k8s.IntOrString.fromNumber(1),
        selector: { matchLabels: this.#labels('agent') },
      },
    });
  }

  #labels(component: ChildComponent): Record<string, string> {
    return childLabels(this.#props.tunnel, component);
  }

  #metadata(component: ChildComponent): k8s.ObjectMeta {
    const { name, namespace, uid } = this.#props.tunnel;
    const owner = { apiVersion: API_GROUP_VERSION, kind: TUNNEL_KIND, name, uid };

    return {
      name: this.#names.base,
      namespace,
      labels: this.#labels(component),
      ownerReferences: [{ ...owner, controller: true, blockOwnerDeletion: false }],
    };
  }
}

const TEMPLATE = ['spec', 'template'] as const;

/** Synthesizes one tunnel's agent in memory: a fresh App per call, because a long-lived one grows with every tunnel. */
export function renderTunnelAgent(props: TunnelAgentProps): readonly KubeManifest[] {
  const chart = new Chart(new App(), 'tunnel');
  new TunnelAgent(chart, 'agent', props);
  return chart.toJson();
}

/** Handover always sends its whole block: Kubernetes refuses a change to Recreate that leaves half of it behind. */
function deploymentStrategy(strategy: 'Handover' | 'Recreate'): k8s.DeploymentStrategy {
  if (strategy === 'Recreate') return { type: 'Recreate' };

  const [maxSurge, maxUnavailable] = [k8s.IntOrString.fromNumber(1), k8s.IntOrString.fromNumber(0)];
  return { type: 'RollingUpdate', rollingUpdate: { maxSurge, maxUnavailable } };
}
