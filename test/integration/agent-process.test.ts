// The agent as a process against the dev engine: what it publishes, how it recovers, how it leaves.

import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { expect } from 'chai';
import type { Engine } from '../../src/dev-engine/engine.ts';
import { AgentProcess, stopAgents } from '../support/agent-process.ts';
import { testAuthority } from '../support/certificates.ts';
import { startTestEngine } from '../support/dev-engine.ts';
import { eventually } from '../support/eventually.ts';
import { freePorts } from '../support/free-port.ts';
import { echoService, type TcpService, tcpService } from '../support/tcp-service.ts';

describe('the agent as a process', () => {
  const directory = mkdtempSync(join(tmpdir(), 'rstream-agent-ca-'));
  const caFile = join(directory, 'ca.pem');
  let ca: string;
  let engine: Engine;
  let service: TcpService;

  before(async () => {
    ca = (await testAuthority()).certificate;
    writeFileSync(caFile, ca);
  });
  beforeEach(async () => {
    engine = await startTestEngine({ tcpPorts: await freePorts(20) });
    service = await echoService();
  });
  afterEach(async () => {
    await stopAgents();
    await service.close();
    await engine.close();
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  function agent(
    tunnel: Record<string, unknown>,
    args: readonly string[] = [],
    more: object = {},
  ): AgentProcess {
    const config = {
      connection: { engine: `127.0.0.1:${engine.port}`, tls: { caFile } },
      tunnel: { name: 'web', ...tunnel },
      target: { host: '127.0.0.1', port: String(service.port) },
      retry: { initial: '100ms', max: '500ms' },
      ...more,
    };
    return new AgentProcess({ config, args });
  }

  it('carries a published tcp tunnel, and its half-close', async () => {
    const address = await agent({ protocol: 'tcp' }).ready();
    const socket = connect({ port: portOf(address), host: '127.0.0.1', allowHalfOpen: true });
    socket.end('hello');
    expect(await textOf(socket)).to.equal('hello');
  });

  it('tells the engine who it is', async () => {
    await agent({ protocol: 'tcp' }).ready();
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
    expect(engine.registry.clients[0]?.details).to.include({ agent: 'rstream-operator', version });
  });

  it('carries a terminated tls tunnel by its name', async () => {
    const address = await agent({ protocol: 'tls', tls: { mode: 'terminated' } }).ready();
    const servername = address.split(':')[0] ?? '';
    const socket = connectTls({
      port: engine.port,
      host: '127.0.0.1',
      servername,
      ca,
      allowHalfOpen: true,
    } as object);
    socket.end('over tls');
    expect(await textOf(socket)).to.equal('over tls');
  });

  it('comes back after the engine was restarted', async () => {
    const process = agent({ protocol: 'tcp' });
    await process.ready();
    const { port } = engine;
    await engine.close();
    await eventually('it is not ready', async () => (await process.probe('/readyz')).status === 503);
    expect((await process.probe('/healthz')).status).to.equal(200);
    engine = await startTestEngine({ listen: { host: '127.0.0.1', port }, tcpPorts: await freePorts(20) });
    await process.ready();
    expect(process.addresses).to.have.length(2);
  });

  it('lets its streams end after SIGTERM, and then leaves with code 0', async () => {
    const process = agent({ protocol: 'tcp' });
    const socket = connect(portOf(await process.ready()), '127.0.0.1');
    socket.write('one');
    expect(String((await once(socket, 'data'))[0])).to.equal('one');

    process.daemon.signal('SIGTERM');
    await eventually('it lets go', () => process.log.includes('letting go'));
    socket.write('two');
    expect(String((await once(socket, 'data'))[0])).to.equal('two');
    expect(process.daemon.running).to.equal(true);
    expect(await process.probe('/readyz')).to.deep.equal({ status: 503, body: 'shutting down\n' });
    expect(await process.probe('/healthz')).to.deep.equal({ status: 200, body: 'ok\n' });
    socket.end();
    await process.daemon.exited;
    expect(process.daemon.exitCode).to.equal(0);
    const last = process.events.map(({ msg }) => msg).slice(-3);
    expect(last).to.deep.equal(['letting go of the tunnel', 'let go of the tunnel', 'stopped']);
  });

  it('leaves at once with code 0 when it is told while it connects, or waits to connect again', async () => {
    const silent = await tcpService(() => {});
    const [{ from: closedPort }, patient] = [await freePorts(1), { initial: '60s', max: '60s' }];
    try {
      const places = { 'it connects': silent.port, 'it waits': closedPort };
      for (const [what, port] of Object.entries(places)) {
        const connection = { engine: `127.0.0.1:${port}`, tls: { caFile } };
        const process = agent({ protocol: 'tcp' }, [], { connection, retry: patient });
        const isSo = () =>
          port === silent.port ? silent.sockets.size > 0 : /could not connect/.test(process.log);
        await eventually(what, isSo, { timeoutMs: 60_000 });
        const told = performance.now();
        await process.stop();
        expect(performance.now() - told, what).to.be.below(10_000);
        expect(process.daemon.exitCode, what).to.equal(0);
      }
    } finally {
      await silent.close();
    }
  });

  it('ends at once when it is told twice', async () => {
    const process = agent({ protocol: 'tcp' });
    const socket = connect(portOf(await process.ready()), '127.0.0.1');
    socket.on('error', () => {});
    socket.write('one');
    await once(socket, 'data');
    process.daemon.signal('SIGTERM');
    await eventually('it lets go', () => process.log.includes('letting go'));
    process.daemon.signal('SIGTERM');
    await process.daemon.exited;
    expect(process.daemon.exitCode).to.equal(143);
  });

  it('cuts streams when their time is up', async () => {
    const process = agent({ protocol: 'tcp' }, [], { drain: { timeout: '300ms' } });
    const socket = connect(portOf(await process.ready()), '127.0.0.1');
    const errors: unknown[] = [];
    socket.on('error', (error) => errors.push(error));
    socket.write('one');
    await once(socket, 'data');
    const closed = new Promise((resolve) => socket.once('close', resolve));
    await process.stop();
    await closed;
    expect(process.log).to.include('cut the streams');
    // A visitor must not take what there was for the whole.
    expect(errors).to.have.length(1);
    expect(errors[0]).to.have.property('code', 'ECONNRESET');
  });

  it('hands its hostname to the next agent', async () => {
    const first = agent({ protocol: 'tls', hostname: hostname() });
    await first.ready();
    const second = agent({ protocol: 'tls', hostname: hostname() });
    await eventually('it was refused', () => second.log.includes('refused the tunnel'));
    expect((await second.probe('/readyz')).status).to.equal(503);
    await first.stop();
    await second.ready();
  });

  it('never logs its token', async () => {
    const process = agent({ protocol: 'tcp' }, [], { log: { level: 'debug' } });
    await process.ready();
    expect(process.log).not.to.include('"T"');
  });

  function hostname(): string {
    return 'shared.t.engine.test';
  }
});

function portOf(address: string): number {
  return Number(/:(\d+)/.exec(address)?.[1]);
}

async function textOf(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
