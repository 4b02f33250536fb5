// Letting go on SIGTERM, so that a successor can take the tunnel at once while our streams run on: release the tunnel, keep
// the connection and its heartbeats until the streams have ended or their time is up, then close.

import { type Clock, sleep } from '../common/clock.ts';
import type { Logger } from '../common/logging.ts';
import type { ControlChannel, Tunnel } from '../rstream/client-types.ts';
import type { Forwarder } from './forwarder.ts';
import type { AgentMetrics } from './metrics.ts';
import type { Pulse } from './pulse.ts';

/** `close` tells the engine; `drop` ends the control connection without a word, for engines that cut streams on close. */
export type ReleaseMode = 'close' | 'drop';

export interface LetGoOptions {
  readonly channel?: ControlChannel;
  readonly tunnel?: Tunnel;
  /** Resolves once the tunnel delivers no more streams. */
  readonly accepting?: Promise<void>;
  readonly release: ReleaseMode;
  readonly drainMs: number;
  readonly forwarder: Forwarder;
  readonly metrics: AgentMetrics;
  readonly pulse: Pulse;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Resolves when everything has ended; cuts what has not after drainMs. */
export async function letGo(options: LetGoOptions): Promise<void> {
  const { channel, tunnel, accepting, release, drainMs, forwarder, clock, pulse, log, metrics } = options;
  const started = clock.now();
  pulse.rest(drainMs);
  log.info({ streams: forwarder.active, release }, 'letting go of the tunnel');

  if (release === 'drop') channel?.drop();
  else await tunnel?.release();
  await accepting;

  const left = drainMs - (clock.now() - started);
  const drained = await withinTime(forwarder.idle(), left, clock);
  metrics.drainSeconds.set((clock.now() - started) / 1000);
  if (!drained) {
    log.warn({ streams: forwarder.active, drainMs }, 'cut the streams that were still running');
    forwarder.cut();
  }
  if (release === 'close')
    await channel?.close().catch((error) => log.debug({ error }, 'closed without an answer'));
  log.info({ ms: Math.round(clock.now() - started) }, 'let go of the tunnel');
}

async function withinTime(work: Promise<void>, ms: number, clock: Clock): Promise<boolean> {
  const timeUp = new AbortController();
  const late = sleep(clock, Math.max(0, ms), timeUp.signal).then(
    () => false,
    () => true,
  );
  const done = work.then(() => true);
  const result = await Promise.race([done, late]);
  timeUp.abort();
  return result;
}
