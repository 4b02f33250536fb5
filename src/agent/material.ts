// The PEM files of TLS: read when a connection needs them, and again when they may have changed, since the kubelet
// replaces projected files while we run. What cannot be used takes the place of nothing that could: a certificate and its key
// from two Secrets change one after the other.

import { readFileSync } from 'node:fs';
import type { AgentConnectionConfig } from '../api/agent-config.ts';
import type { Clock } from '../common/clock.ts';
import { messageOf } from '../common/errors.ts';
import { isUsable, type TlsMaterial } from '../rstream/tls-options.ts';
import { AgentError } from './errors.ts';

const freshMs = 1_000;

/** The same object is returned while the files are the same. Throws ERR_AGENT_CONFIG when one was never readable. */
export function fileMaterial(connection: AgentConnectionConfig, clock: Clock): () => TlsMaterial {
  const { mtls, tls } = connection;
  const files = { ca: tls?.caFile ?? mtls?.caFile, cert: mtls?.certFile, key: mtls?.keyFile };
  let seen: TlsMaterial | undefined;
  let current: TlsMaterial | undefined;
  let readAt = Number.NEGATIVE_INFINITY;

  return () => {
    if (current && clock.now() - readAt < freshMs) return current;
    readAt = clock.now();
    try {
      const next = { ca: read(files.ca), cert: read(files.cert), key: read(files.key) };
      const same = JSON.stringify(next) === JSON.stringify(seen);
      seen = next;
      if (!current || (!same && (isUsable(next) || !isUsable(current)))) current = next;
    } catch (error) {
      if (!current) throw error;
    }
    return current;
  };
}

function read(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new AgentError('ERR_AGENT_CONFIG', `${path} cannot be read: ${messageOf(cause)}`, { cause });
  }
}
