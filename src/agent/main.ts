#!/usr/bin/env node
// The agent's process: settings in, exit status out.

import { systemClock } from '../common/clock.ts';
import { messageOf } from '../common/errors.ts';
import { exitStatus } from '../common/exit-status.ts';
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
    return exitStatus.usage;
  }
  if (!settings) {
    process.stdout.write(usage);
    return exitStatus.done;
  }
  const { logLevel: level } = settings;
  redact = settings.redact;
  const log = createLogger('agent', { level, redact }).child({ tunnel: settings.config.tunnel.name });
  for (const warning of settings.warnings) log.warn({}, warning);
  try {
    await runAgent(settings, { clock: systemClock, log, env: process.env }, shutdownSignal());
    log.info({}, 'stopped');
    return exitStatus.done;
  } catch (error) {
    log.error({ error }, 'could not run');
    leave(error);
    return exitStatus.failed;
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
  (status) => process.exit(status),
  (error) => {
    complain(error);
    process.exit(exitStatus.failed);
  },
);
