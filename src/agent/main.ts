#!/usr/bin/env node
// The agent's process: settings in, exit code out. 0 after SIGTERM, 2 when it was told something it cannot do, 1 otherwise.

import { systemClock } from '../common/clock.ts';
import { messageOf } from '../common/errors.ts';
import { createLogger } from '../common/logging.ts';
import type { Redact } from '../common/redact.ts';
import { shutdownSignal } from '../common/shutdown.ts';
import { runAgent } from './agent.ts';
import { withoutCredentials } from './credentials.ts';
import { leaveLastWords } from './last-words.ts';
import { type AgentSettings, readSettings, usage } from './settings.ts';

let redact: Redact = withoutCredentials(process.env);

async function main(): Promise<number> {
  let settings: AgentSettings | undefined;
  try {
    settings = readSettings(process.argv.slice(2), process.env, systemClock);
  } catch (error) {
    complain(error);
    return 2;
  }
  if (!settings) {
    process.stdout.write(usage);
    return 0;
  }
  const { logLevel: level } = settings;
  redact = settings.redact;
  const log = createLogger('agent', { level, redact }).child({ tunnel: settings.config.tunnel.name });
  for (const warning of settings.warnings) log.warn({}, warning);
  try {
    await runAgent(settings, { clock: systemClock, log, env: process.env }, shutdownSignal());
    log.info({}, 'stopped');
    return 0;
  } catch (error) {
    log.error({ error }, 'could not run');
    leave(error);
    return 1;
  }
}

function leave(error: unknown): void {
  leaveLastWords(redact(messageOf(error)));
}

/** Where there is no log yet, or no more. */
function complain(error: unknown): void {
  process.stderr.write(`rstream-agent: ${redact(messageOf(error))}\n`);
  leave(error);
}

process.on('uncaughtExceptionMonitor', leave);
main().then(
  (code) => process.exit(code),
  (error) => {
    complain(error);
    process.exit(1);
  },
);
