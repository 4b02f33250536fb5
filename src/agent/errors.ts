// The codes of errors the agent itself throws.

import { CodedError } from '../common/errors.ts';

export type AgentErrorCode =
  /** The command line or the configuration file cannot be used as it is. */
  | 'ERR_AGENT_CONFIG'
  /** The Service could not be reached. */
  | 'ERR_AGENT_TARGET';

export class AgentError extends CodedError {
  declare readonly code: AgentErrorCode;

  constructor(code: AgentErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(code, message, options);
  }
}
