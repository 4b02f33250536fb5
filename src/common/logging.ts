// Structured logs: one JSON line per event on stdout, past tense, lower-case keys, never a secret.

import { type Logger as PinoLogger, pino } from 'pino';
import type { Redact } from './redact.ts';

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
  /** Applied to every text of a line that is not our own: fields, and messages of errors. */
  readonly redact?: Redact | undefined;
  /** Where lines go; default stdout, written synchronously so that nothing is lost on exit. */
  readonly destination?: { write(line: string): void } | undefined;
}

/** A logger for one process; `name` is the `logger` key of each line. Levels are words and times RFC 3339. */
export function createLogger(name: string, options: LogOptions = {}): Logger {
  const { redact = (text) => text } = options;
  const destination = options.destination ?? pino.destination({ fd: 1, sync: true });

  return pino(
    {
      level: options.level ?? 'info',
      base: { logger: name },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }), log: (fields) => redacted(fields, redact) },
      errorKey: 'error',
      serializers: { error: (error) => describeError(error, redact) },
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

function redacted(fields: Record<string, unknown>, redact: Redact): Record<string, unknown> {
  const entries = Object.entries(fields);
  return Object.fromEntries(
    entries.map(([key, value]) => [key, typeof value === 'string' ? redact(value) : value]),
  );
}

function describeError(error: unknown, redact: Redact): unknown {
  if (!(error instanceof Error)) return typeof error === 'string' ? redact(error) : error;
  const { cause, message } = error;
  const described: Record<string, unknown> = { message: redact(message) };
  if ('code' in error) described.code = error.code;
  if (cause instanceof Error) described.cause = describeCause(cause, message, redact);
  return described;
}

/** Words of the cause that the error has told already are not told again. */
function describeCause(cause: Error, told: string, redact: Redact): unknown {
  const described = describeError(cause, redact);
  if (cause.message === '' || !told.includes(cause.message)) return described;
  const { message, ...rest } = Object(described);
  return Object.keys(rest).length > 0 ? rest : undefined;
}
