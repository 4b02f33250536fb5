// A stream for a visitor of a route: asks the holder, and once more whoever holds it now when the first one has just gone.

import { unavailable } from './errors.ts';
import type { Routes } from './routes.ts';
import { DialBackTimeout, type OpenedStream, type StreamBroker } from './stream-broker.ts';
import type { Tunnel } from './tunnel.ts';

export interface Visitor {
  readonly address: string;
  readonly signal: AbortSignal;
}

/** Rejects with a Refusal. */
export async function openForVisitor(
  routes: Routes,
  broker: StreamBroker,
  route: string,
  visitor: Visitor,
): Promise<OpenedStream> {
  const first = routes.pick(route);
  if (!first) throw unavailable('no tunnel holds this address at the moment');
  try {
    return await openOn(broker, first, visitor);
  } catch (error) {
    const next = routes.pick(route);
    if (!next || next === first || error instanceof DialBackTimeout || visitor.signal.aborted) throw error;
    return openOn(broker, next, visitor);
  }
}

async function openOn(broker: StreamBroker, tunnel: Tunnel, visitor: Visitor): Promise<OpenedStream> {
  const refusal = tunnel.checkAddress(visitor.address);
  if (refusal) throw unavailable(refusal);
  return broker.open(tunnel, visitor.address, visitor.signal);
}
