// A reconciler of one tunnel, shop/web, between a cache that tests fill and an API server that they script.

import { stringifyAgentConfig } from '../../src/api/agent-config.ts';
import { API_GROUP_VERSION, FIELD_MANAGER, TUNNEL_KIND } from '../../src/api/group.ts';
import { childLabels, childNames } from '../../src/api/names.ts';
import { silentLogger } from '../../src/common/logging.ts';
import type { CachedPod } from '../../src/manager/cached-objects.ts';
import type { CachedTunnel } from '../../src/manager/cached-tunnel.ts';
import { ChildApplier } from '../../src/manager/child-applier.ts';
import { ManagerCache } from '../../src/manager/manager-cache.ts';
import { NameRegistry } from '../../src/manager/name-registry.ts';
import type { TunnelReferences } from '../../src/manager/resolve-tunnel.ts';
import { TakeoverWatch } from '../../src/manager/takeover.ts';
import { TunnelMemories } from '../../src/manager/tunnel-memory.ts';
import { TunnelReconciler } from '../../src/manager/tunnel-reconciler.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { ScriptedApiserver } from '../support/scripted-apiserver.ts';
import { DEFAULT_POLICY, tunnelOf } from './fixtures.ts';

export const withoutConnection: TunnelReferences = {
  connectionExists: false,
  connection: undefined,
  service: undefined,
  grants: undefined,
};
export const complete: TunnelReferences = {
  ...withoutConnection,
  connectionExists: true,
  connection: {
    ready: {
      spec: { engine: 'e.example.com', tokenSecretRef: { name: 's', key: 'k' } },
      engine: 'e.example.com:443',
      secretsDigest: 'd',
    },
  },
  service: {
    metadata: { name: 'app', namespace: 'shop', uid: 'u', resourceVersion: '1' },
    headless: false,
    ports: [{ name: 'http', port: 80, targetPort: 8080 }],
  },
};

export function tunnel(metadata: object = {}): CachedTunnel {
  const made = tunnelOf();
  const owners = { foreign: [], updaters: [], applied: false };
  return { ...made, metadata: { ...made.metadata, resourceVersion: '7', ...metadata }, owners };
}

/** As the manager wrote it. */
export function configMap(): object {
  const config = stringifyAgentConfig({
    connection: { engine: 'e:443' },
    tunnel: { name: 'shared' },
    target: { host: 'app.shop.svc', port: '80' },
  });
  const { uid, name, namespace } = tunnel().metadata;
  const owner = { apiVersion: API_GROUP_VERSION, kind: TUNNEL_KIND, name, uid, controller: true };
  const labels = childLabels({ uid, name, namespace }, 'config');
  const ours = { manager: FIELD_MANAGER.manager, operation: 'Apply', fieldsV1: { 'f:data': {} } };
  const metadata = {
    ...{ namespace, name: childNames(name, uid).config, uid: 'c', resourceVersion: '5' },
    ...{ labels, ownerReferences: [owner], managedFields: [ours] },
  };
  return { metadata, data: { 'config.yaml': config } };
}

export class ReconcilerWorld {
  readonly server: ScriptedApiserver;
  readonly clock = new ManualClock();
  readonly cache: ManagerCache;
  readonly names = new NameRegistry();
  readonly takeovers = new TakeoverWatch();
  /** The tunnel's. */
  pods: readonly CachedPod[] = [];
  /** What the cache was told was written. */
  readonly seen: CachedTunnel[] = [];
  /** The reasons of Events. */
  readonly told: string[] = [];

  private constructor(server: ScriptedApiserver) {
    this.server = server;
    const { clock } = this;
    this.cache = new ManagerCache({ client: server.client(), clock, log: silentLogger, namespaces: [] });
  }

  static async start(): Promise<ReconcilerWorld> {
    return new ReconcilerWorld(await ScriptedApiserver.start());
  }

  /** `cached` are the answers of the cache, the last one again and again. */
  reconcilerOf(
    cached: (CachedTunnel | undefined)[],
    references: TunnelReferences = withoutConnection,
  ): TunnelReconciler {
    const client = this.server.client();
    return new TunnelReconciler({
      client,
      clock: this.clock,
      applier: new ChildApplier({ client, children: (kind) => this.cache.children(kind) }),
      names: this.names,
      takeovers: this.takeovers,
      memories: new TunnelMemories(),
      policy: DEFAULT_POLICY,
      agentImage: 'agent:test',
      clusterId: 'c',
      tunnel: () => (cached.length > 1 ? cached.shift() : cached[0]),
      references: () => references,
      pods: () => this.pods,
      written: (written) => this.seen.push(written),
      emit: (_about, { reason }) => this.told.push(reason),
    });
  }
}
