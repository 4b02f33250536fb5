// A real validating resolver, unbound, on loopback: one zone it can verify with DNSSEC, one without signatures, over UDP, TCP
// and TLS; and a name of which it drops every question but the one about IPv4. Its zones are made and signed for each start.

import { execFile } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { serverCertificate } from './certificates.ts';
import { Daemon } from './daemon.ts';
import { eventually } from './eventually.ts';
import { freePorts } from './free-port.ts';

const run = promisify(execFile);

const head = (zone: string) => `$ORIGIN ${zone}.
$TTL 60
@ IN SOA ns hostmaster 1 3600 600 86400 60
@ IN NS ns
ns IN A 127.0.0.1
`;
const records = `engine IN A 192.0.2.1
engine IN AAAA 2001:db8::1
one IN CNAME two
two IN CNAME three
three IN CNAME engine
out IN CNAME engine.plain.example.net.
crowd IN A 192.0.2.0
${Array.from({ length: 120 }, (_, index) => `crowd IN A 198.51.100.${index + 1}`).join('\n')}
`;

export class Unbound {
  readonly port: number;
  readonly tlsPort: number;
  /** The authority of its TLS certificate, which is for dns.example.net. */
  readonly ca: string;
  readonly #folder: string;
  readonly #daemon: Daemon;

  static async start(): Promise<Unbound> {
    const folder = mkdtempSync(join(tmpdir(), 'rstream-unbound-'));
    const { ca, cert, key } = await serverCertificate('dns.example.net');
    writeFileSync(join(folder, 'tls.crt'), cert);
    writeFileSync(join(folder, 'tls.key'), key);
    writeFileSync(join(folder, 'plain.zone'), head('plain.example.net') + records);
    writeFileSync(join(folder, 'signed.zone'), head('signed.example.net') + records);
    const keyName = await sign(folder, 'signed.example.net');
    const { from: port, to: tlsPort } = await freePorts(2);
    writeFileSync(join(folder, 'unbound.conf'), configuration(folder, keyName, port, tlsPort));
    const started = new Unbound({ folder, port, tlsPort, ca });
    await eventually(`unbound answers:\n${started.log}`, () => started.log.includes('start of service'));
    return started;
  }

  private constructor(facts: Pick<Unbound, 'port' | 'tlsPort' | 'ca'> & { readonly folder: string }) {
    this.port = facts.port;
    this.tlsPort = facts.tlsPort;
    this.ca = facts.ca;
    this.#folder = facts.folder;
    // A copy, since distributions confine the installed one to its own configuration.
    const command = join(facts.folder, 'unbound');
    copyFileSync('/usr/sbin/unbound', command);
    this.#daemon = new Daemon({
      command,
      args: ['-d', '-p', '-c', join(facts.folder, 'unbound.conf')],
      logFile: join(facts.folder, 'log'),
    });
  }

  get log(): string {
    return readFileSync(join(this.#folder, 'log'), 'utf8');
  }

  async stop(): Promise<void> {
    await this.#daemon.stop('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Signs signed.zone into signed.zone.signed; returns the base name of the key files. */
async function sign(folder: string, zone: string): Promise<string> {
  const { stdout } = await run('ldns-keygen', ['-a', 'ECDSAP256SHA256', '-k', zone], { cwd: folder });
  const keyName = stdout.trim();
  await run('ldns-signzone', ['signed.zone', keyName], { cwd: folder });
  return keyName;
}

function configuration(folder: string, keyName: string, port: number, tlsPort: number): string {
  return `server:
  interface: 127.0.0.1@${port}
  interface: 127.0.0.1@${tlsPort}
  tls-port: ${tlsPort}
  tls-service-key: "${folder}/tls.key"
  tls-service-pem: "${folder}/tls.crt"
  username: ""
  chroot: ""
  directory: "${folder}"
  pidfile: ""
  use-syslog: no
  logfile: ""
  log-queries: yes
  verbosity: 1
  do-daemonize: no
  module-config: "validator iterator"
  trust-anchor-file: "${folder}/${keyName}.key"
  domain-insecure: "plain.example.net"
  local-zone: "four.example.net" deny
  local-data: "four.example.net 60 IN A 127.0.0.1"
auth-zone:
  name: "signed.example.net"
  zonefile: "${folder}/signed.zone.signed"
  for-upstream: yes
  for-downstream: no
auth-zone:
  name: "plain.example.net"
  zonefile: "${folder}/plain.zone"
  for-upstream: yes
  for-downstream: no
remote-control:
  control-enable: no
`;
}
