// A flood of visitors, and an agent that really has no more memory than its container: the kernel would end it, and every
// stream with it. Root makes a cgroup for that.

import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Engine } from '../../src/dev-engine/engine.ts';
import { cgroupFolders, makeCgroup, removeCgroup } from '../cluster/cgroup.ts';
import { AgentProcess, stopAgents } from '../support/agent-process.ts';
import { testAuthority } from '../support/certificates.ts';
import { startTestEngine } from '../support/dev-engine.ts';
import { eventually } from '../support/eventually.ts';
import { freePorts } from '../support/free-port.ts';
import { type TcpService, tcpService } from '../support/tcp-service.ts';
import { roundTrip } from '../support/transfers.ts';

const mebibyte = 1024 * 1024;
const limitMiB = 192;
/** Twice as many as the kernel would end the agent for. */
const visitors = 1_000;
/** More than an agent and the system hold of a stream that is not read. */
const upload = Buffer.alloc(4 * mebibyte, 'x');

describe('an agent near its memory limit', function () {
  this.timeout(240_000);
  const cgroup = `rstream-memory-${process.pid}`;
  const directory = mkdtempSync(join(tmpdir(), 'rstream-memory-'));
  const caFile = join(directory, 'ca.pem');
  let engine: Engine;
  let service: TcpService;
  let port: number;
  let agent: AgentProcess;
  let serviceReads = false;

  before(async () => {
    writeFileSync(caFile, (await testAuthority()).certificate);
    makeCgroup(cgroup, limitMiB * mebibyte);
    const tcpPorts = await freePorts(1);
    port = tcpPorts.from;
    engine = await startTestEngine({ tcpPorts });
    // Answers small talk, and reads no uploads before it is told to.
    service = await tcpService((socket) => {
      socket.on('data', (bytes) => {
        if (!bytes.includes('x')) socket.write(bytes);
        else if (!serviceReads) socket.pause();
      });
      socket.on('end', () => socket.end());
    });
    agent = new AgentProcess({
      config: {
        connection: { engine: `127.0.0.1:${engine.port}`, tls: { caFile } },
        tunnel: { name: 'memory', protocol: 'tcp', tcpPort: port },
        target: { host: '127.0.0.1', port: String(service.port) },
      },
      prefix: ['bash', '-ec', enter(cgroup), 'enter'],
    });
    await agent.ready();
  });
  after(async () => {
    await stopAgents();
    await service?.close();
    await engine?.close();
    await removeCgroup(cgroup);
    rmSync(directory, { recursive: true, force: true });
  });

  it('refuses visitors one by one, keeps the streams it has, and takes new ones after the flood', async () => {
    const established = visit();
    await once(established, 'connect');
    expect(await exchange(established, 'before')).to.equal('before');

    const flood = Array.from({ length: visitors }, visit);
    for (const socket of flood) socket.write(upload);
    const gone = () => flood.filter(({ destroyed }) => destroyed).length;
    await eventually('every visitor is served or refused', settled(gone), { timeoutMs: 120_000 });
    expect(agent.daemon.running, agent.daemon.tail()).to.equal(true);
    expect(await exchange(established, 'during')).to.equal('during');

    const { body } = await agent.probe('/metrics');
    const refused = Number(/dial_back_failures_total\{cause="memory"\} (\d+)/.exec(body)?.[1] ?? 0);
    const active = Number(/streams_active (\d+)/.exec(body)?.[1]);
    expect(refused).to.be.greaterThan(visitors / 2);
    expect(active).to.be.greaterThan(120);
    expect(gone(), 'visitors know at once').to.equal(refused);
    expect(active - 1 + refused).to.equal(visitors);
    const warnings = agent.events.filter(({ cause }) => cause === 'memory');
    expect(warnings).to.have.length.within(1, 3);
    expect(warnings[0]).to.include({ level: 'warn', limitMiB });
    expect(warnings[0]?.msg).to.include('spec.agent.resources.limits.memory');

    for (const socket of flood) socket.destroy();
    serviceReads = true;
    for (const socket of service.sockets) socket.resume();
    await eventually('new visitors are served', async () => (await roundTrip(visit(), 'after')) === 'after');
    const later = Array.from({ length: 100 }, visit);
    const answers = await Promise.all(later.map((socket) => exchange(socket, 'many at one time')));
    expect(new Set(answers)).to.deep.equal(new Set(['many at one time']));
    expect(await exchange(established, 'later')).to.equal('later');
    expect(agent.addresses, 'one session from beginning to end').to.have.length(1);
    for (const socket of [established, ...later]) socket.destroy();
  });

  function visit(): Socket {
    return connect({ port, host: '127.0.0.1', allowHalfOpen: true }).on('error', () => {});
  }
});

/** A script that puts itself into the cgroup and then becomes what its arguments say. */
function enter(cgroup: string): string {
  const enters = cgroupFolders(cgroup).map((folder) => `echo $$ >${folder}/cgroup.procs`);
  return [...enters, 'exec "$@"'].join('\n');
}

/** A condition that holds once a number has not changed for two seconds. */
function settled(count: () => number): () => boolean {
  let before = -1;
  let same = 0;
  return () => {
    const now = count();
    same = now === before && now > 0 ? same + 1 : 0;
    before = now;
    return same >= 100;
  };
}

async function exchange(socket: Socket, text: string): Promise<string> {
  socket.write(text);
  let received = '';
  while (received.length < text.length) received += (await once(socket, 'data'))[0];
  return received;
}
