// What the engine calls itself: the names in its certificate, the host it tells clients, the project it stands for.

import { isIP } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import type { Project } from './control-plane.ts';
import type { EngineSettings } from './engine-options.ts';

/** Every name and address a client may call this process by when it sends no server name. */
export function ownNames({ domain, endpoint, advertise, listen }: EngineSettings): readonly string[] {
  const addresses = Object.values(networkInterfaces()).flatMap((list) =>
    (list ?? []).map(({ address }) => address),
  );
  const names = [
    'localhost',
    `${endpoint}.${domain}`,
    domain,
    hostname().toLowerCase(),
    advertise?.host,
    listen.host,
    '127.0.0.1',
    '::1',
    ...addresses.map((address) => address.replace(/%.*$/, '')),
  ];
  const usable = names.filter((name) => name !== undefined && (isIP(name) || /^[a-z0-9.-]+$/i.test(name)));
  return [...new Set(usable as string[])];
}

export function reachableHost(host: string | undefined): string {
  if (host === undefined || host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? '::1' : host;
}

export function defaultProject({ domain, endpoint, regions }: EngineSettings, enginePort: number): Project {
  return {
    ...{ id: `prj_${endpoint}`, endpoint, domain, enginePort },
    regions: regions.map((region) => ({ region, domain: `${region}.${domain}`, enginePort })),
  };
}
