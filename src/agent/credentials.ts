// What the agent must not repeat: the credentials in its environment, as they are and as they are sent.

import type { AgentProxyConfig } from '../api/agent-config.ts';
import { type Redact, redactor } from '../common/redact.ts';

/** Before the configuration has told the names, these are they: the manager knows no others. */
const usual = { usernameEnv: 'RSTREAM_PROXY_USERNAME', passwordEnv: 'RSTREAM_PROXY_PASSWORD' };

export function withoutCredentials(
  env: Readonly<Record<string, string | undefined>>,
  { usernameEnv = '', passwordEnv = '' }: Pick<AgentProxyConfig, 'usernameEnv' | 'passwordEnv'> = usual,
): Redact {
  const [username, password] = [env[usernameEnv], env[passwordEnv]];
  const basic = Buffer.from(`${username}:${password}`).toString('base64');
  return redactor([env.RSTREAM_AUTHENTICATION_TOKEN?.trim(), username, password, basic]);
}
