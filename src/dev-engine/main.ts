#!/usr/bin/env node
// The dev engine's entry point: starts everything the flags ask for, prints one JSON line once it accepts connections,
// and serves until SIGTERM.

import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { messageOf } from '../common/errors.ts';
import { exitStatus } from '../common/exit-status.ts';
import { createLogger } from '../common/logging.ts';
import { shutdownSignal } from '../common/shutdown.ts';
import { startAdmin } from './admin.ts';
import { type CertificateAuthority, openCertificateAuthority } from './certificate-authority.ts';
import { type Engine, startEngine } from './engine.ts';
import type { EngineOptions } from './engine-options.ts';
import { type Flags, parseFlags } from './flags.ts';

async function main(): Promise<number> {
  const flags = parseFlags(process.argv.slice(2));
  let authority: CertificateAuthority;
  try {
    authority = await openCertificateAuthority(flags.caFile);
  } catch (error) {
    complain(`--ca-file ${flags.caFile} cannot be used: ${messageOf(error)}`);
    return exitStatus.usage;
  }
  const stopped = shutdownSignal();
  // Without a token of the user's own, one is made: an engine without authentication would surprise more.
  const minted = flags.token ? undefined : randomBytes(16).toString('hex');
  const engine = await startEngine(engineOptions(flags, authority, flags.token ?? [minted ?? '']));
  const admin = flags.adminListen && (await startAdmin(engine, flags.adminListen));
  process.stdout.write(`${JSON.stringify(whereabouts(flags, engine, minted, admin?.port))}\n`);

  await new Promise<void>((done) => {
    if (stopped.aborted) return done();
    stopped.addEventListener('abort', () => done(), { once: true });
  });
  await Promise.all([engine.close(), admin?.close()]);
  return exitStatus.done;
}

function engineOptions(
  flags: Flags,
  authority: CertificateAuthority,
  tokens: readonly string[],
): EngineOptions {
  const { listen, domain, endpoint, customDomain, hostnameConflict, streamsOnClose, maxConnections } = flags;
  const { advertise, tcpPorts, controlPlaneListen, quic } = flags;
  return {
    ...{
      listen,
      authority,
      tokens,
      domain,
      endpoint,
      hostnameConflict,
      streamsOnClose,
      maxConnections,
      quic,
    },
    customDomains: customDomain,
    streamTimeoutMs: flags.streamTimeout,
    countries: flags.country,
    regions: flags.region,
    recordLimit: flags.adminListen ? flags.recordLimit : 0,
    log: createLogger('dev-engine', {
      level: flags.logLevel,
      destination: { write: (line) => process.stderr.write(line) },
    }),
    ...(advertise && { advertise }),
    ...(tcpPorts && { tcpPorts }),
    ...(controlPlaneListen && { controlPlane: controlPlaneListen }),
  };
}

/** What whoever started it needs to know to use it. */
function whereabouts(flags: Flags, engine: Engine, token: string | undefined, adminPort: number | undefined) {
  const { tcpPorts, controlPlaneListen, adminListen } = flags;
  const { controlPlanePort } = engine;
  return {
    engine: engine.address,
    caFile: resolve(flags.caFile),
    domain: engine.domain,
    endpoint: engine.endpoint,
    listenPort: engine.port,
    ...(token && { token }),
    ...(tcpPorts && { tcpPorts: `${tcpPorts.from}-${tcpPorts.to}` }),
    ...(controlPlanePort && {
      controlPlane: `${controlPlaneListen?.host ?? '127.0.0.1'}:${controlPlanePort}`,
    }),
    ...(adminPort && { admin: `${adminListen?.host ?? '127.0.0.1'}:${adminPort}` }),
  };
}

function complain(message: string): void {
  process.stderr.write(`dev-engine: ${message}\n`);
}

main().then(
  (status) => process.exit(status),
  (error) => {
    complain(messageOf(error));
    process.exit(exitStatus.failed);
  },
);
