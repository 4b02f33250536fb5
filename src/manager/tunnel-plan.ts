// From a tunnel and everything it refers to, to what must exist for it: its children, or none of them, or what is there
// already. Pure; this is the middle of the one-direction path.

import { renderTunnelAgent } from '../../charts-ts/agent.ts';
import { agentReplicas } from '../../charts-ts/agent-lock.ts';
import type { AgentPodSettings, AgentSecrets, KubeManifest } from '../../charts-ts/agent-props.ts';
import { type AgentConfig, parseAgentConfig } from '../api/agent-config.ts';
import type { RstreamConnectionSpec, RstreamTunnel } from '../api/resources.ts';
import { messageOf } from '../common/errors.ts';
import { configHash } from './config-hash.ts';
import type { TunnelResolution } from './resolve-tunnel.ts';
import { tunnelConfig } from './tunnel-config.ts';

export interface TunnelPlanInput {
  readonly tunnel: RstreamTunnel;
  readonly resolution: TunnelResolution;
  readonly specProblem: string | undefined;
  /** Image of agents whose tunnel names none. */
  readonly agentImage: string;
  readonly clusterId: string;
  /** The hostname in the tunnel's own ConfigMap, when that is to be believed. */
  readonly previousHostname: string | undefined;
}

export type TunnelPlan =
  /** Make it so. `note` is for people. */
  | {
      readonly action: 'apply';
      readonly manifests: readonly KubeManifest[];
      readonly config: AgentConfig;
      readonly hash: string;
      readonly note: string | undefined;
    }
  /** It is so already, as settled-plan.ts knows without rendering anything. */
  | {
      readonly action: 'keep';
      /** Kinds of the tunnel's children. */
      readonly kinds: readonly string[];
      readonly config: AgentConfig;
      readonly hash: string;
      readonly note: string | undefined;
    }
  /** No agent may run. */
  | { readonly action: 'stop' }
  /** Something is missing: whatever runs goes on. */
  | { readonly action: 'leave'; readonly refusal?: string };

export function tunnelPlan(input: TunnelPlanInput): TunnelPlan {
  const { tunnel, resolution, specProblem } = input;
  const isSuspended = tunnel.spec.suspend === true;
  if (specProblem !== undefined || !('resolved' in resolution)) {
    const isDenied = 'blocked' in resolution && resolution.blocked.denied === true;
    return isSuspended || isDenied ? { action: 'stop' } : { action: 'leave' };
  }
  const { connection, target } = resolution.resolved;
  const config = tunnelConfig({ ...input, connection: connection.spec, engine: connection.engine, target });
  const hash = configHash(config, connection.secretsDigest);

  try {
    const manifests = renderTunnelAgent({
      tunnel: identityOf(tunnel),
      config,
      configHash: hash,
      image: tunnel.spec.agent?.image?.trim() || input.agentImage,
      secrets: agentSecrets(connection.spec),
      agent: agentSettings(tunnel),
      suspended: isSuspended,
    });
    return { action: 'apply', manifests, config, hash, note: noteOf(tunnel, config) };
  } catch (error) {
    return { action: 'leave', refusal: `spec.agent cannot be turned into a Deployment: ${messageOf(error)}` };
  }
}

export function identityOf({ metadata }: RstreamTunnel): { name: string; namespace: string; uid: string } {
  return { name: metadata.name, namespace: metadata.namespace, uid: metadata.uid };
}

/** The configuration in a ConfigMap; undefined when somebody has broken it. */
export function readConfig(text: string | undefined): AgentConfig | undefined {
  if (text === undefined) return undefined;
  try {
    return parseAgentConfig(text);
  } catch {
    return undefined;
  }
}

/** "" is what Helm renders for absent. */
function agentSettings({ spec }: RstreamTunnel): AgentPodSettings {
  const { strategy, ...settings } = spec.agent ?? {};
  return { ...settings, ...(strategy ? { strategy } : {}) };
}

function agentSecrets({ tokenSecretRef, mtls, tls, transport }: RstreamConnectionSpec): AgentSecrets {
  const { usernameSecretRef: username, passwordSecretRef: password } = transport?.proxy ?? {};
  return {
    ...(tokenSecretRef && { token: tokenSecretRef }),
    ...(mtls?.certSecretRef &&
      mtls.keySecretRef && {
        mtls: {
          cert: mtls.certSecretRef,
          key: mtls.keySecretRef,
          ...(mtls.caSecretRef && { ca: mtls.caSecretRef }),
        },
      }),
    ...(tls?.caSecretRef && { tlsCa: tls.caSecretRef }),
    ...(username && password && { proxy: { username, password } }),
  };
}

function noteOf(tunnel: RstreamTunnel, config: AgentConfig): string | undefined {
  const { publish, protocol, hostname } = config.tunnel;
  const wanted = tunnel.spec.agent?.replicas ?? 1;
  const isNameless = publish !== false && protocol !== 'tcp' && hostname === undefined;
  if (isNameless) return 'it runs one agent, because this engine has no stable hostnames to hand over';
  return agentReplicas(config.tunnel, { replicas: wanted }) < wanted
    ? 'it runs one agent, because nothing would keep a second one from opening a second tunnel'
    : undefined;
}
