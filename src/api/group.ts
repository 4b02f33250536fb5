// The API group and the names under which its two resources are served, and the field managers that write them.

export const API_GROUP = 'tunnels.rstream.io';
export const API_VERSION = 'v1alpha1';
/** The `apiVersion` of both resources. */
export const API_GROUP_VERSION = `${API_GROUP}/${API_VERSION}`;

/** One served resource: what a manifest's `kind` and a URL's plural are. */
export interface ResourceKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
}

export const TUNNEL_KIND = 'RstreamTunnel';
export const TUNNEL_PLURAL = 'rstreamtunnels';
export const CONNECTION_KIND = 'RstreamConnection';
export const CONNECTION_PLURAL = 'rstreamconnections';

export const RSTREAM_TUNNEL: ResourceKind = {
  group: API_GROUP,
  version: API_VERSION,
  kind: TUNNEL_KIND,
  plural: TUNNEL_PLURAL,
  namespaced: true,
};

export const RSTREAM_CONNECTION: ResourceKind = {
  group: API_GROUP,
  version: API_VERSION,
  kind: CONNECTION_KIND,
  plural: CONNECTION_PLURAL,
  namespaced: true,
};

/** The server-side apply field managers; each one owns fields that no other one writes. */
export const FIELD_MANAGER = {
  manager: 'rstream-operator',
  agent: 'rstream-agent',
  takeover: 'rstream-operator-takeover',
} as const;

/** The finalizer that rstream's Go operator sets. It is only ever removed: nothing here may wedge a deletion. */
export const LEGACY_FINALIZER = 'tunnels.rstream.io/finalizer';
