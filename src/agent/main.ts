#!/usr/bin/env node
// The agent's process: settings in, exit code out. 0 after SIGTERM, 2 when it was told something it cannot do, 1 otherwise.

import { systemClock } from '../common/clock.ts';
import { messageOf } from '../common/errors.ts';
import { createLogger } from '../common/logging.ts';
import { shutdownSignal } from '../common/shutdown.ts';
import { runAgent } from './agent.ts';
import { leaveLastWords } from './last-words.ts';
import { type AgentSettings, readSettings, usage } from './settings.ts';

async function main(): Promise<number> {
  let settings: AgentSettings | undefined;
  try {
    settings = readSettings(process.argv.slice(2), process.env, systemClock);
  } catch (error) {
    process.stderr.write(`rstream-agent: ${messageOf(error)}\n`);
    leave(error);
    return 2;
  }
  if (!settings) {
    process.stdout.write(usage);
    return 0;
  }
  const { logLevel: level, redact } = settings;
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
  const { RSTREAM_AUTHENTICATION_TOKEN, RSTREAM_PROXY_USERNAME, RSTREAM_PROXY_PASSWORD } = process.env;
  const secrets = [RSTREAM_AUTHENTICATION_TOKEN?.trim(), RSTREAM_PROXY_USERNAME, RSTREAM_PROXY_PASSWORD];
  leaveLastWords(messageOf(error), secrets);
}

process.on('uncaughtExceptionMonitor', leave);
main().then(
  (code) => process.exit(code),
  (error) => {
    process.stderr.write(`rstream-agent: ${messageOf(error)}\n`);
    process.exit(1);
  },
);
