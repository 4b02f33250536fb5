// Who holds which public name or port, under one of three conflict policies: refuse the newcomer, let it take over, or let
// all holders share the visitors in turn.

import type { Clock } from '../common/clock.ts';
import { invalidRequest } from './errors.ts';
import { candidateNames } from './hostnames.ts';
import type { Recorder } from './recorder.ts';
import type { Tunnel } from './tunnel.ts';

export type ConflictPolicy = 'refuse' | 'takeover' | 'share';

/** Released routes remembered so that the gap before the next claim can be measured. */
const maxReleased = 1024;

export class Routes {
  readonly #policy: ConflictPolicy;
  readonly #recorder: Recorder;
  readonly #clock: Clock;
  readonly #holders = new Map<string, Tunnel[]>();
  readonly #releasedAt = new Map<string, number>();

  constructor(policy: ConflictPolicy, recorder: Recorder, clock: Clock) {
    this.#policy = policy;
    this.#recorder = recorder;
    this.#clock = clock;
  }

  /** Throws 2000 when claiming the route now would be refused. */
  check(route: string): void {
    if (this.#policy === 'refuse' && this.#holders.has(route)) {
      throw invalidRequest(`${describeRoute(route)} is in use by another tunnel`);
    }
  }

  /** Gives the route to a tunnel and returns those it took it from; throws 2000 when it is held and refused. */
  claim(route: string, tunnel: Tunnel): readonly Tunnel[] {
    this.check(route);
    const held = this.#holders.get(route) ?? [];
    this.#recorder.add({ kind: 'claimed', route, tunnel: tunnel.id });
    const released = this.#releasedAt.get(route);
    if (released !== undefined) {
      this.#releasedAt.delete(route);
      this.#recorder.add({ kind: 'gap', route, gapMs: this.#clock.now() - released });
    }
    this.#holders.set(route, this.#policy === 'share' ? [...held, tunnel] : [tunnel]);
    return this.#policy === 'share' ? [] : held;
  }

  /** Idempotent; nothing happens when the tunnel does not hold the route any more. */
  release(route: string, tunnel: Tunnel): void {
    const held = this.#holders.get(route);
    if (!held?.includes(tunnel)) return;
    const rest = held.filter((other) => other !== tunnel);
    this.#recorder.add({ kind: 'released', route, tunnel: tunnel.id });
    if (rest.length > 0) return void this.#holders.set(route, rest);

    this.#holders.delete(route);
    this.#releasedAt.set(route, this.#clock.now());
    const [oldest] = this.#releasedAt.keys();
    if (this.#releasedAt.size > maxReleased && oldest !== undefined) this.#releasedAt.delete(oldest);
  }

  isHeld(route: string): boolean {
    return this.#holders.has(route);
  }

  /** The holder whose turn it is, which stays its turn. */
  peek(route: string): Tunnel | undefined {
    return this.#holders.get(route)?.[0];
  }

  /** The holder whose turn it is; the next time it is another one's. */
  pick(route: string): Tunnel | undefined {
    const held = this.#holders.get(route);
    const first = held?.[0];
    if (held && first && held.length > 1) this.#holders.set(route, [...held.slice(1), first]);
    return first;
  }

  /** The route of a visitor's server name: the exact name, else a wildcard over it. */
  routeOf(serverName: string): string | undefined {
    return candidateNames(serverName)
      .map(hostRoute)
      .find((route) => this.#holders.has(route));
  }
}

export const hostRoute = (hostname: string): string => `host:${hostname}`;
export const portRoute = (port: number): string => `port:${port}`;

function describeRoute(route: string): string {
  return route.startsWith('host:') ? `hostname ${route.slice(5)}` : `port ${route.slice(5)}`;
}
