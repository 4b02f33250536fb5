// How the agent's process connects: which transport for which tunnel, what it does where QUIC is missing, and certificates that
// change while it runs; and DTLS between two OpenSSLs through a tunnel.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { stringify } from 'yaml';
import { readSettings } from '../../src/agent/settings.ts';
import type { Engine } from '../../src/dev-engine/engine.ts';
import { AgentProcess, stopAgents } from '../support/agent-process.ts';
import { testAuthority } from '../support/certificates.ts';
import { startTestEngine } from '../support/dev-engine.ts';
import { eventually } from '../support/eventually.ts';
import { freePort, freePorts } from '../support/free-port.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { project } from '../support/projected-volume.ts';
import { echoService, type TcpService } from '../support/tcp-service.ts';

const packets = { name: 'packets', type: 'datagram', publish: false };
const bytes = { name: 'bytes', publish: false };

/** For processes on a busy machine. */
const patience = { timeoutMs: 60_000 };

describe('the agent and its transports', function () {
  this.timeout(120_000);
  const directory = mkdtempSync(join(tmpdir(), 'rstream-agent-transports-'));
  const path = (name: string) => join(directory, name);
  let engine: Engine;
  let service: TcpService;
  const children: ChildProcess[] = [];

  before(async () => writeFileSync(path('ca.pem'), (await testAuthority()).certificate));
  beforeEach(async () => {
    engine = await startTestEngine();
    service = await echoService();
  });
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await stopAgents();
    await service.close();
    await engine.close();
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  function agent(tunnel: object, connection: object = {}, env: NodeJS.ProcessEnv = {}): AgentProcess {
    const config = {
      connection: { engine: `127.0.0.1:${engine.port}`, tls: { caFile: path('ca.pem') }, ...connection },
      tunnel,
      target: { host: '127.0.0.1', port: String(service.port), ...('type' in tunnel && { protocol: 'UDP' }) },
      retry: { initial: '100ms', max: '500ms' },
    };
    return new AgentProcess({ config, env });
  }
  const modeOf = async (process: AgentProcess) => {
    await process.ready();
    return process.events.find((event) => event.msg === 'connected to the engine')?.mode;
  };

  for (const [what, tunnel, first, headStartMs] of [
    ['packets', packets, 'udp', 300],
    ['bytes', bytes, 'tcp', 0],
    ['bytes, though it is slow,', bytes, 'tcp', 5_000],
  ] as const) {
    it(`case 92: tries ${first === 'udp' ? 'QUIC' : 'TLS'} first for ${what} in mode auto`, async () => {
      const { from: port } = await freePorts(1);
      const heard: string[] = [];
      const slow: Socket[] = [];
      const tcp = createServer((socket) => {
        heard.push('tcp');
        socket.on('error', () => {});
        if (headStartMs === 5_000) slow.push(socket);
        else socket.destroy();
      }).listen(port, '127.0.0.1');
      await once(tcp, 'listening');
      const udp = createSocket('udp4').bind(port, '127.0.0.1');
      udp.on('message', () => heard.push('udp'));
      await once(udp, 'listening');
      const config = {
        connection: { engine: `127.0.0.1:${port}`, tls: { caFile: path('ca.pem') } },
        tunnel,
        target: { host: '127.0.0.1', port: '1' },
      };
      writeFileSync(path('config.yaml'), stringify(config));
      const clock = new ManualClock();
      const settings = readSettings(
        [`--config=${path('config.yaml')}`],
        { RSTREAM_AUTHENTICATION_TOKEN: 'T' },
        clock,
      );
      if (!settings) throw new Error('expected settings');
      const cancel = new AbortController();
      const connecting = settings.transport
        .connect({ engine: settings.engine }, cancel.signal)
        .catch(() => {});
      try {
        await eventually('it tried one', () => heard.length > 0);
        if (headStartMs > 0) {
          await clock.advance(headStartMs - 1);
          expect(new Set(heard)).to.deep.equal(new Set([first]));
          await clock.advance(1);
        }
        await eventually('it tried the other', () => new Set(heard).size === 2);
        expect(heard[0]).to.equal(first);
      } finally {
        cancel.abort(new Error('seen enough'));
        await connecting;
        for (const socket of slow) socket.destroy();
        tcp.close();
        udp.close();
      }
    });
  }

  it('uses the transport it is told to use', async () => {
    expect(await modeOf(agent(packets, { transport: { mode: 'tls' } }))).to.equal('tls');
    expect(await modeOf(agent(bytes, { transport: { mode: 'quic' } }))).to.equal('quic');
  });

  it('warns that it cannot do Multipath TCP, and connects all the same', async () => {
    const process = agent(bytes, { transport: { mptcp: true } });
    expect(await modeOf(process)).to.equal('tls');
    const warnings = process.events.filter(({ level }) => level === 'warn').map(({ msg }) => msg);
    expect(warnings).to.have.length(1);
    expect(warnings[0]).to.include('mptcp has no effect');
  });

  it('uses TLS for packets where the engine has no QUIC', async () => {
    await engine.close();
    engine = await startTestEngine({ quic: false });
    expect(await modeOf(agent(packets))).to.equal('tls');
  });

  for (const mode of ['tls', 'quic'] as const) {
    it(`presents the client certificate that the kubelet has put in its files, over ${mode}`, async () => {
      const volume = path(`mtls-${mode}`);
      const replace = async (name: string) => {
        const { cert, key } = await engine.authority.issueClient(name);
        project(volume, { 'tls.crt': cert, 'tls.key': key });
      };
      const users = () => engine.registry.clients.map(({ user }) => user);
      await replace('first');
      const [certFile, keyFile] = [join(volume, 'tls.crt'), join(volume, 'tls.key')];
      const mtls = { certFile, keyFile, caFile: path('ca.pem') };
      const connection = { tls: undefined, mtls, transport: { mode } };
      const process = agent(bytes, connection, { RSTREAM_AUTHENTICATION_TOKEN: '' });
      await process.ready();
      expect(users()).to.deep.equal(['first']);

      await replace('second');
      // Files are looked at again after a second.
      await eventually(
        'it came back as the second',
        () => {
          for (const client of engine.registry.clients) if (client.user === 'first') client.end('drop');
          return users().includes('second');
        },
        patience,
      );
    });
  }

  it('carries DTLS between a visitor and the Service by its server name', async () => {
    const name = 'dtls.t.engine.test';
    const { cert, key } = await engine.authority.issueServer([name]);
    writeFileSync(path('service.pem'), cert);
    writeFileSync(path('service.key'), key);
    const port = await freePort();
    const server = spawn('openssl', [
      ...['s_server', '-dtls1_2', '-accept', String(port), '-naccept', '1', '-quiet'],
      ...['-cert', path('service.pem'), '-key', path('service.key')],
    ]);
    children.push(server);
    const process = new AgentProcess({
      config: {
        connection: { engine: `127.0.0.1:${engine.port}`, tls: { caFile: path('ca.pem') } },
        tunnel: { name: 'dtls', protocol: 'dtls', hostname: name },
        target: { host: '127.0.0.1', port: String(port), protocol: 'UDP' },
      },
    });
    expect(await process.ready()).to.equal(`${name}:${engine.port} (dtls)`);
    const client = spawn('openssl', [
      ...['s_client', '-dtls1_2', '-connect', `127.0.0.1:${engine.port}`, '-servername', name],
      ...['-verify_return_error', '-verify_hostname', name, '-CAfile', path('ca.pem'), '-quiet'],
    ]);
    children.push(client);
    const said = { service: '', visitor: '' };
    server.stdout.on('data', (text) => (said.service += text));
    client.stdout.on('data', (text) => (said.visitor += text));
    client.stdin.write('from the visitor\n');
    await eventually('the Service heard it', () => said.service.includes('from the visitor'), patience);
    server.stdin.write('from the Service\n');
    await eventually('the visitor heard it', () => said.visitor.includes('from the Service'), patience);
    expect(engine.status().flows).to.equal(1);
  });

  it('says where there is no QUIC why it cannot be used, and does without it in mode auto', async () => {
    const program = `
      Object.defineProperty(process, 'arch', { value: 'sparc' });
      const { createTransport } = await import(${JSON.stringify(new URL('../../src/rstream/create-transport.ts', import.meta.url).href)});
      const { systemClock } = await import(${JSON.stringify(new URL('../../src/common/clock.ts', import.meta.url).href)});
      const { transport } = createTransport({ mode: 'auto', datagram: true }, systemClock);
      let reason = '';
      try { createTransport({ mode: 'quic' }, systemClock); } catch (error) { reason = error.code + ' ' + error.message; }
      console.log(JSON.stringify({ auto: transport.constructor.name, reason }));
    `;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program]);
    const { auto, reason } = JSON.parse(stdout);
    expect(auto).to.equal('TlsTransport');
    expect(reason).to.contain('ERR_RSTREAM_UNSUPPORTED_TRANSPORT QUIC is not available on linux sparc');
  });
});
