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

/** For the engine's last answer; the kubelet kills us 5 s after the drain. */
const farewellMs = 3_000;

/** Resolves when everything has ended; cuts what has not after drainMs. */
export async function letGo(options: LetGoOptions): Promise<void> {
  const { channel, release, drainMs, forwarder, clock, pulse, log, metrics } = options;
  const started = clock.now();
  pulse.rest(drainMs + farewellMs);
  metrics.draining();
  log.info({ streams: forwarder.active, release }, 'letting go of the tunnel');

  if (!(await withinTime(drain(options), drainMs, clock))) {
    log.warn({ streams: forwarder.active, drainMs }, 'cut the streams that were still running');
    forwarder.cut();
  }
  if (channel && release === 'close' && !(await withinTime(goodbye(channel, log), farewellMs, clock))) {
    log.debug('closed without an answer');
    channel.drop();
  }
  log.info({ ms: Math.round(clock.now() - started) }, 'let go of the tunnel');
}

async function drain({ channel, tunnel, accepting, release, forwarder }: LetGoOptions): Promise<void> {
  if (release === 'drop') channel?.drop();
  else await tunnel?.release();
  await accepting;
  await forwarder.idle();
}

async function goodbye(channel: ControlChannel, log: Logger): Promise<void> {
  await channel.close().catch((error) => log.debug({ error }, 'the connection did not end cleanly'));
}

/** Whether `work`, which never rejects, was done within `ms`. */
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
