// The settings of an operator installation. Every one has a default that suits production; Helm's values and the flags of
// the manager say the same things in their own words.

import type { MonitoringSettings } from './monitoring.ts';
import type { NetworkPolicySettings } from './network-policy.ts';

/**
 * Scheduling and other Pod fields, laid on the manager's Deployment verbatim, so that fields newer than these types survive.
 * Empty ones count as absent, and what is absent is not set unless a default is named.
 */
export interface ManagerPodSettings {
  readonly nodeSelector?: Readonly<Record<string, string>>;
  readonly tolerations?: readonly object[];
  readonly affinity?: object;
  readonly topologySpreadConstraints?: readonly object[];
  readonly priorityClassName?: string;
  readonly imagePullSecrets?: readonly object[];
  readonly podLabels?: Readonly<Record<string, string>>;
  readonly podAnnotations?: Readonly<Record<string, string>>;
  /** @default runAsNonRoot, seccomp RuntimeDefault */
  readonly securityContext?: object;
  /** @default no privilege escalation, no capabilities, read-only root file system */
  readonly containerSecurityContext?: object;
  /** @default requests cpu 50m and memory 256Mi, limit memory 512Mi */
  readonly resources?: object;
  /** @default IfNotPresent */
  readonly imagePullPolicy?: string;
  /** @default 30 */
  readonly terminationGracePeriodSeconds?: number;
}

/** What the manager may do and for whom; each setting is a flag of the manager, whose default holds when absent. */
export interface ManagerSettings {
  /** Image of the agents. @default the manager's own image */
  readonly agentImage?: string;
  /** Tunnels of these namespaces only, with no rights outside them. @default all namespaces */
  readonly watchNamespaces?: readonly string[];
  /** Managers take turns by a Lease in their namespace. @default true */
  readonly leaderElection?: boolean;
  /** Part of generated hostnames. @default the UID of namespace kube-system */
  readonly clusterId?: string;
  /** Tunnels to Services of other namespaces: with a ReferenceGrant, always or never. @default grant */
  readonly crossNamespaceTargets?: 'grant' | 'allow' | 'deny';
  /** Tunnels to Services of type ExternalName, which may lead anywhere. @default false */
  readonly allowExternalName?: boolean;
  /** Control planes over plain http. @default false */
  readonly allowInsecureControlPlane?: boolean;
  /** Private address ranges in which a control plane may live. @default none */
  readonly controlPlaneAllowCidrs?: readonly string[];
  /** Patterns of engines that connections may name. @default any */
  readonly allowedEngines?: readonly string[];
  /** Patterns of agent images that tunnels may name. @default any */
  readonly allowedAgentImages?: readonly string[];
  /** How many tunnels are reconciled at once. @default 32 */
  readonly workers?: number;
  /** Requests per second to the API server, sustained. @default 400 */
  readonly kubeApiQps?: number;
  /** How many requests may come at once above that rate. @default 400 */
  readonly kubeApiBurst?: number;
  /** The lowest level logged. @default info */
  readonly logLevel?: 'debug' | 'info' | 'warn' | 'error';
  /** Lines of JSON, or for people. @default json */
  readonly logFormat?: 'json' | 'text';
}

/** The same words as the environment variables HTTPS_PROXY, HTTP_PROXY and NO_PROXY. */
export interface ManagerProxySettings {
  /** Proxy for https, for example `http://proxy.example.com:3128`. */
  readonly httpsProxy?: string;
  /** Proxy for plain http, which only `allowInsecureControlPlane` lets happen. */
  readonly httpProxy?: string;
  /** Hosts that are asked directly, with commas between them: names, `.suffixes`, addresses. */
  readonly noProxy?: string;
}

/** A key of a ConfigMap in the manager's namespace that holds certificates, PEM. */
export interface ExtraCaSettings {
  readonly configMap: string;
  readonly key: string;
}

/** How the manager reaches the world outside. */
export interface ManagerNetworkSettings {
  /** Proxies for requests to control planes. @default none */
  readonly proxy?: ManagerProxySettings;
  /** Certificate authorities to trust beside the well-known ones. @default none */
  readonly extraCa?: ExtraCaSettings;
}

/** Who the manager is towards the API server. */
export interface ServiceAccountSettings {
  /** Whether it is part of the installation; if not, it is there already. @default true */
  readonly create?: boolean;
  /** @default the operator's name */
  readonly name?: string;
  /** Win over those of `OperatorProps.annotations`. */
  readonly annotations?: Readonly<Record<string, string>>;
}

/** An installation of the operator. Without any of these it is what dist/operator.yaml installs. */
export interface OperatorProps extends ManagerPodSettings, ManagerSettings, ManagerNetworkSettings {
  /** Name of the Deployment and the ServiceAccount, prefix of all other names. @default rstream-operator */
  readonly name?: string;
  /** @default rstream-system */
  readonly namespace?: string;
  /** Whether the namespace is part of the installation. @default true */
  readonly createNamespace?: boolean;
  /** @default the published image of this release */
  readonly image?: string;
  /** Over one, the others stand by, which needs `leaderElection`. @default 1 */
  readonly replicas?: number;
  /** Labels by which the manager's Pods are found; they can never change. @default name, instance, component */
  readonly selector?: Readonly<Record<string, string>>;
  /** More labels for every object. */
  readonly labels?: Readonly<Record<string, string>>;
  /** More annotations for every object. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** ClusterRoles for people, aggregated to view, edit and admin. @default only when all namespaces are watched */
  readonly userRoles?: boolean;
  readonly serviceAccount?: ServiceAccountSettings;
  /** Metrics Service, monitors and dashboard. @default none */
  readonly monitoring?: MonitoringSettings;
  /** A NetworkPolicy for the managers' Pods. @default none */
  readonly networkPolicy?: NetworkPolicySettings;
  /** Keeps one manager when nodes are drained; of use with more than one replica. @default false */
  readonly podDisruptionBudget?: boolean;
}
