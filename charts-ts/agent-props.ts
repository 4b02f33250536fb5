// What one tunnel's agent is made from: plain data, already resolved. Secrets appear as references only, never as values.

import type { AgentConfig } from '../src/api/agent-config.ts';
import type { TunnelIdentity } from '../src/api/names.ts';

/** One key of a Secret in the tunnel's namespace. */
export interface SecretKeyRef {
  readonly name: string;
  readonly key: string;
}

/** The Secrets that the agent's Pod refers to; each is absent when the connection does not use it. */
export interface AgentSecrets {
  /** Token for the engine, given to the agent through its environment. */
  readonly token?: SecretKeyRef;
  /** Client certificate for the engine, projected to `/var/run/rstream/mtls`. */
  readonly mtls?: { readonly cert: SecretKeyRef; readonly key: SecretKeyRef; readonly ca?: SecretKeyRef };
  /** Private CA of the engine, projected to `/var/run/rstream/tls/ca.crt`. */
  readonly tlsCa?: SecretKeyRef;
  /** Credentials of the HTTP proxy, given to the agent through its environment. */
  readonly proxy?: { readonly username: SecretKeyRef; readonly password: SecretKeyRef };
}

/**
 * The user's own Pod settings (`spec.agent` of an RstreamTunnel). Kubernetes types are laid on the Deployment verbatim,
 * so fields newer than this code survive. Empty strings, lists and objects count as absent.
 */
export interface AgentPodSettings {
  /** Only says that the image is the user's own choice, see `agentStrategy`; the image to run is `TunnelAgentProps.image`. */
  readonly image?: string;
  readonly replicas?: number;
  readonly strategy?: 'Handover' | 'Recreate';
  /** @default requests cpu 25m and memory 64Mi, limit memory 256Mi */
  readonly resources?: object;
  readonly podLabels?: Readonly<Record<string, string>>;
  readonly podAnnotations?: Readonly<Record<string, string>>;
  readonly nodeSelector?: Readonly<Record<string, string>>;
  readonly tolerations?: readonly object[];
  readonly affinity?: object;
  readonly priorityClassName?: string;
  readonly imagePullPolicy?: string;
  readonly imagePullSecrets?: readonly object[];
  /** @default over one replica: spread over nodes where possible */
  readonly topologySpreadConstraints?: readonly object[];
  /** @default 30 */
  readonly terminationGracePeriodSeconds?: number;
}

export interface TunnelAgentProps {
  /** The RstreamTunnel that owns the agent's objects. */
  readonly tunnel: TunnelIdentity;
  /** What the agent is to do; written to the ConfigMap as `config.yaml`. */
  readonly config: AgentConfig;
  /** Changes when the Pods must be replaced: a hash over the configuration and the referenced Secret values. */
  readonly configHash: string;
  /** The image to run, already decided. */
  readonly image: string;
  readonly secrets: AgentSecrets;
  readonly agent?: AgentPodSettings;
  /** No Deployment and no PodDisruptionBudget; the rest stays, so that the tunnel keeps its hostname. @default false */
  readonly suspended?: boolean;
}

/** A rendered Kubernetes object, ready to be applied. */
export interface KubeManifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly ownerReferences?: readonly {
      readonly apiVersion: string;
      readonly kind: string;
      readonly name: string;
      readonly uid: string;
      readonly controller?: boolean;
      readonly blockOwnerDeletion?: boolean;
    }[];
  };
  readonly [field: string]: unknown;
}
