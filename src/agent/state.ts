// What the agent knows about its tunnel: one state at a time, the last error, and whoever wants to hear of changes.

import { codeOf, messageOf } from '../common/errors.ts';
import type { Redact } from '../common/redact.ts';
import { EngineError } from '../rstream/errors.ts';

/** What went wrong: the engine's error number or our own error code, and a sentence. */
export interface Problem {
  readonly code: string;
  readonly message: string;
}

export type TunnelState =
  /** Not online yet; the message says what for. */
  | { readonly kind: 'connecting'; readonly message: string }
  | { readonly kind: 'online'; readonly tunnelId: string; readonly forwardingAddress: string }
  /** Connected, while another agent holds the tunnel. */
  | { readonly kind: 'standby'; readonly owner: string }
  | { readonly kind: 'disconnected'; readonly problem: Problem }
  /** The engine said no. */
  | { readonly kind: 'rejected'; readonly problem: Problem }
  /** SIGTERM was received. */
  | { readonly kind: 'stopping' };

export interface LastError extends Problem {
  readonly at: Date;
}

export class AgentState {
  readonly #redact: Redact;
  readonly #listeners: Array<() => void> = [];
  #tunnel: TunnelState = { kind: 'connecting', message: 'connecting to the engine' };
  #lastError: LastError | undefined;

  /** `redact` is applied to what engine and proxy say: it ends in the status, for everybody to read. */
  constructor(redact: Redact = (text) => text) {
    this.#redact = redact;
  }

  get tunnel(): TunnelState {
    return this.#tunnel;
  }

  get lastError(): LastError | undefined {
    return this.#lastError;
  }

  /** Moves on; a problem becomes the last error, at `now`. */
  set(next: TunnelState, now: Date): void {
    const state = this.#redacted(next);
    const same = JSON.stringify(state) === JSON.stringify(this.#tunnel);
    this.#tunnel = state;
    if (!same && 'problem' in state) this.#lastError = { ...state.problem, at: now };
    if (!same) for (const listener of this.#listeners) listener();
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  #redacted(state: TunnelState): TunnelState {
    if ('problem' in state) {
      const { code, message } = state.problem;
      return { ...state, problem: { code, message: this.#redact(message) } };
    }
    if (state.kind !== 'online') return state;
    const { kind, tunnelId, forwardingAddress } = state;
    return { kind, tunnelId: this.#redact(tunnelId), forwardingAddress: this.#redact(forwardingAddress) };
  }
}

/** Why the agent is not ready, or undefined when it is: online, or standing by for the one that is. */
export function unreadiness(state: TunnelState): string | undefined {
  switch (state.kind) {
    case 'online':
    case 'standby':
      return undefined;
    case 'connecting':
      return state.message;
    case 'disconnected':
      return `not connected: ${state.problem.message} (${state.problem.code})`;
    case 'rejected':
      return refusalText(state.problem);
    case 'stopping':
      return 'shutting down';
  }
}

/** Ends with the code, where the manager looks for it. A token known to have expired is refused without asking the engine. */
export function refusalText({ code, message }: Problem): string {
  const text = `${message} (code ${code})`;
  return /^\d+$/.test(code) ? `the engine refused: ${text}` : text;
}

export function problemOf(thrown: unknown): Problem {
  const code = thrown instanceof EngineError ? String(thrown.number) : (codeOf(thrown) ?? 'ERR_AGENT');
  return { code, message: messageOf(thrown) };
}

/** Errors that mean a refusal, not a broken line: the engine's own, and a token that is known to be refused. */
export function isRefusal(thrown: unknown): boolean {
  return thrown instanceof EngineError || codeOf(thrown) === 'ERR_RSTREAM_TOKEN_EXPIRED';
}
