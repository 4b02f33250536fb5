#!/usr/bin/env node
// The dev engine's entry point: starts everything the flags ask for, prints one JSON line once it accepts connections,
// and leaves with status 0 on SIGTERM.

import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { createLogger } from '../common/logging.ts';
import { shutdownSignal } from '../common/shutdown.ts';
import { startAdmin } from './admin.ts';
import { openCertificateAuthority } from './certificate-authority.ts';
import { startEngine } from './engine.ts';
import { parseFlags } from './flags.ts';

async function main(): Promise<void> {
  const flags = parseFlags(process.argv.slice(2));
  const stopped = shutdownSignal();
  const log = createLogger('dev-engine', {
    level: flags.logLevel,
    destination: { write: (line) => process.stderr.write(line) },
  });
  // Without a token of the user's own, one is made: an engine without authentication would surprise more.
  const minted = flags.token ? undefined : randomBytes(16).toString('hex');
  const engine = await startEngine({
    listen: flags.listen,
    authority: await openCertificateAuthority(flags.caFile),
    tokens: flags.token ?? [minted ?? ''],
    domain: flags.domain,
    endpoint: flags.endpoint,
    customDomains: flags.customDomain,
    hostnameConflict: flags.hostnameConflict,
    streamsOnClose: flags.streamsOnClose,
    streamTimeoutMs: flags.streamTimeout,
    countries: flags.country,
    regions: flags.region,
    maxConnections: flags.maxConnections,
    quic: flags.quic,
    recordLimit: flags.adminListen ? flags.recordLimit : 0,
    log,
    ...(flags.advertise && { advertise: flags.advertise }),
    ...(flags.tcpPorts && { tcpPorts: flags.tcpPorts }),
    ...(flags.controlPlaneListen && { controlPlane: flags.controlPlaneListen }),
  });
  const admin = flags.adminListen && (await startAdmin(engine, flags.adminListen));

  const line = {
    engine: engine.address,
    caFile: resolve(flags.caFile),
    domain: engine.domain,
    endpoint: engine.endpoint,
    listenPort: engine.port,
    ...(minted && { token: minted }),
    ...(flags.tcpPorts && { tcpPorts: `${flags.tcpPorts.from}-${flags.tcpPorts.to}` }),
    ...(engine.controlPlanePort && {
      controlPlane: `${flags.controlPlaneListen?.host ?? '127.0.0.1'}:${engine.controlPlanePort}`,
    }),
    ...(admin && { admin: `${flags.adminListen?.host ?? '127.0.0.1'}:${admin.port}` }),
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);

  await new Promise<void>((done) => {
    if (stopped.aborted) return done();
    stopped.addEventListener('abort', () => done(), { once: true });
  });
  await Promise.all([engine.close(), admin?.close()]);
  process.exit(0);
}

main().catch((error) => {
  process.stderr.write(`dev-engine: ${error instanceof Error ? error.message : error}\n`);
  process.exit(1);
});
