// Structured logs: one JSON line per event on stderr-free stdout, past tense, lower-case keys, never a secret.

import { type Logger as PinoLogger, pino } from 'pino';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** `json` for machines; `text` for people: time, level, message, then the fields. */
export type LogFormat = 'json' | 'text';

/** The part of pino this project uses: `log.info({ namespace, name }, 'applied children')`. */
export type Logger = Pick<PinoLogger, LogLevel> & { child(fields: Record<string, unknown>): Logger };

export interface LogOptions {
  /** Lowest level written; default info. */
  readonly level?: LogLevel | undefined;
  /** Default json. */
  readonly format?: LogFormat | undefined;
  /** Where lines go; default stdout, written synchronously so that nothing is lost on exit. */
  readonly destination?: { write(line: string): void } | undefined;
}

/** A logger for one process; `name` is the `logger` key of each line. Levels are words and times RFC 3339. */
export function createLogger(name: string, options: LogOptions = {}): Logger {
  const destination = options.destination ?? pino.destination({ fd: 1, sync: true });

  return pino(
    {
      level: options.level ?? 'info',
      base: { logger: name },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      errorKey: 'error',
      serializers: { error: describeError },
    },
    options.format === 'text' ? { write: (line) => destination.write(textLine(line)) } : destination,
  );
}

/** A logger that writes nothing. */
export const silentLogger: Logger = pino({ level: 'silent' });

/** Strings stay bare where nobody could mistake them; everything else is JSON, so that one event is one line. */
function textLine(json: string): string {
  const { time, level, msg, ...fields } = JSON.parse(json);
  const pairs = Object.entries(fields).map(([key, value]) => `${key}=${textValue(value)}`);

  return `${[time, String(level).toUpperCase().padEnd(5), textMessage(msg), ...pairs].join(' ')}\n`;
}

function textMessage(message: unknown): string {
  return String(message ?? '').replaceAll(/[\r\n]+/g, ' ');
}

function textValue(value: unknown): string {
  return typeof value === 'string' && /^[\w.:/@+-]+$/.test(value) ? value : JSON.stringify(value);
}

function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const described: Record<string, unknown> = { message: error.message };
  if ('code' in error) described.code = error.code;
  if (error.cause instanceof Error) described.cause = describeError(error.cause);
  return described;
}
