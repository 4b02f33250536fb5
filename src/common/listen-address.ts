// `HOST:PORT` as every flag that binds a socket takes it.

import { CodedError } from './errors.ts';

export interface ListenAddress {
  /** Absent: every interface. */
  readonly host: string | undefined;
  readonly port: number;
}

/** Parses `host:port`, `[v6]:port` or `:port`; throws ERR_LISTEN_ADDRESS for anything else. */
export function parseListenAddress(text: string): ListenAddress {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65_535) {
    throw new CodedError(
      'ERR_LISTEN_ADDRESS',
      `"${text}" is not an address to listen on; write HOST:PORT or :PORT`,
    );
  }
  return { host: match[1] ?? (match[2] || undefined), port };
}
