// All error codes of src/api.

import { CodedError } from '../common/errors.ts';

/** The agent's configuration cannot be used. The message starts with the path of the key at fault. */
export class AgentConfigError extends CodedError {
  /** Like `connection.transport.mode`; empty when the text as a whole is at fault. */
  readonly path: string;

  constructor(path: string, problem: string, options?: { readonly cause?: unknown }) {
    super('AGENT_CONFIG_INVALID', path === '' ? `configuration: ${problem}` : `${path}: ${problem}`, options);
    this.path = path;
  }
}
