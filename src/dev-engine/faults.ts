// Fault switches: what the engine does wrong on purpose, set as JSON by the admin listener and consulted where the right
// thing would happen. All switches together are one plain object; the defaults are an engine that behaves.

import { EngineOptionError } from './errors.ts';

/** `normal`, or what happens instead of the right answer. */
export type Answer = 'normal' | 'none' | 'error' | 'empty' | 'malformed';

export interface AnswerFault {
  /** `none` never answers, `error` answers with code and message, `empty` without a payload, `malformed` with no message at all. */
  answer: Answer;
  code: number;
  message: string;
  /** The answer, whichever it is, comes this much later. */
  delayMs: number;
}

const answers: readonly string[] = ['normal', 'none', 'error', 'empty', 'malformed'] satisfies Answer[];

export interface FaultSettings {
  controlOpen: AnswerFault;
  controlClose: AnswerFault;
  tunnelOpen: AnswerFault;
  tunnelClose: AnswerFault;
  stream: AnswerFault;
  proxy: AnswerFault;
  heartbeats: {
    acknowledge: boolean;
    /** Only every n-th heartbeat is acknowledged. */
    every: number;
    /** Added to each acknowledgement. */
    offset: number;
    duplicate: boolean;
    delayFirstMs: number;
  };
  /** Answered instead of the negotiated liveness when intervalMs is not 0. */
  liveness: { intervalMs: number; timeoutMs: number };
  /** Put into each ProxyConnReq instead of the truth; '' means the truth. */
  proxyConn: { tunnelId: string; streamId: string; secret: 'normal' | 'absent' | 'empty'; endpoint: string };
  /** Sent in the same write as a successful ProxyRsp. */
  coalesceProxyRsp: string;
  /** Every frame is read and none is answered, as if packets were dropped. */
  silent: boolean;
  /** New connections are closed at once. */
  refuseConnections: boolean;
}

export function noFaults(): FaultSettings {
  const answer = (): AnswerFault => ({
    answer: 'normal',
    code: 9000,
    message: 'a fault switch is on',
    delayMs: 0,
  });
  return {
    controlOpen: answer(),
    controlClose: answer(),
    tunnelOpen: answer(),
    tunnelClose: answer(),
    stream: answer(),
    proxy: answer(),
    heartbeats: { acknowledge: true, every: 1, offset: 0, duplicate: false, delayFirstMs: 0 },
    liveness: { intervalMs: 0, timeoutMs: 0 },
    proxyConn: { tunnelId: '', streamId: '', secret: 'normal', endpoint: '' },
    coalesceProxyRsp: '',
    silent: false,
    refuseConnections: false,
  };
}

/** The defaults with `input` laid over them; throws ERR_ENGINE_OPTION naming the key that does not exist or does not fit. */
export function parseFaults(input: unknown): FaultSettings {
  const settings = noFaults();
  overlay(settings as unknown as Record<string, unknown>, input, 'faults');
  for (const fault of answerFaults(settings)) {
    if (!answers.includes(fault.answer)) {
      throw new EngineOptionError(`"${fault.answer}" is not an answer; use one of ${answers.join(', ')}`);
    }
  }
  if (!['normal', 'absent', 'empty'].includes(settings.proxyConn.secret)) {
    throw new EngineOptionError('faults.proxyConn.secret is one of normal, absent, empty');
  }
  return settings;
}

function answerFaults(settings: FaultSettings): readonly AnswerFault[] {
  const { controlOpen, controlClose, tunnelOpen, tunnelClose, stream, proxy } = settings;
  return [controlOpen, controlClose, tunnelOpen, tunnelClose, stream, proxy];
}

function overlay(target: Record<string, unknown>, input: unknown, path: string): void {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw new EngineOptionError(`${path} is an object`);
  }
  for (const [key, value] of Object.entries(input)) {
    if (!Object.hasOwn(target, key)) throw new EngineOptionError(`${path}.${key} does not exist`);
    const current = target[key];
    if (typeof current === 'object' && current !== null) {
      overlay(current as Record<string, unknown>, value, `${path}.${key}`);
    } else if (typeof value !== typeof current || (typeof value === 'number' && !Number.isFinite(value))) {
      throw new EngineOptionError(`${path}.${key} is a ${typeof current}`);
    } else {
      target[key] = value;
    }
  }
}
