// Structured logs: one JSON line per event on stderr-free stdout, past tense, lower-case keys, never a secret.

import { type Logger as PinoLogger, pino } from 'pino';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** The part of pino this project uses: `log.info({ namespace, name }, 'applied children')`. */
export type Logger = Pick<PinoLogger, LogLevel> & { child(fields: Record<string, unknown>): Logger };

export interface LogOptions {
  /** Lowest level written; default info. */
  readonly level?: LogLevel | undefined;
  /** Where lines go; default stdout, written synchronously so that nothing is lost on exit. */
  readonly destination?: { write(line: string): void } | undefined;
}

/** A logger for one process; `name` is the `logger` key of each line. Levels are words and times RFC 3339. */
export function createLogger(name: string, options: LogOptions = {}): Logger {
  return pino(
    {
      level: options.level ?? 'info',
      base: { logger: name },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      errorKey: 'error',
      serializers: { error: describeError },
    },
    options.destination ?? pino.destination({ fd: 1, sync: true }),
  );
}

/** A logger that writes nothing. */
export const silentLogger: Logger = pino({ level: 'silent' });

function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const described: Record<string, unknown> = { message: error.message };
  if ('code' in error) described.code = error.code;
  if (error.cause instanceof Error) described.cause = describeError(error.cause);
  return described;
}
