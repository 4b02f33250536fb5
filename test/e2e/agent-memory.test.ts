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
/** The kernel would end the agent for half as many. */
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

  beforeEach(async () => {
    writeFileSync(caFile, (await testAuthority()).certificate);
    makeCgroup(cgroup, limitMiB * mebibyte);
    const tcpPorts = await freePorts(1);
    port = tcpPorts.from;
    engine = await startTestEngine({ tcpPorts });
    // Answers small talk, and reads no uploads before it is told to.
    serviceReads = false;
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
  afterEach(async () => {
    await stopAgents();
    await service?.close();
    await engine?.close();
    await removeCgroup(cgroup);
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  it('refuses visitors one by one, keeps the streams it has, and takes new ones after the flood', async () => {
    const established = visit();
    expect(await exchange(established, 'before')).to.equal('before');

    const flood = Array.from({ length: visitors }, visit);
    for (const socket of flood) socket.write(upload);
    const gone = () => flood.filter(({ destroyed }) => destroyed).length;
    const judged = async () => ended() || gone() + (await streams()).active - 1 === visitors;
    await eventually('every visitor is served or refused', judged, { timeoutMs: 120_000, everyMs: 200 });
    expect(agent.daemon.running, agent.daemon.tail()).to.equal(true);
    expect(await exchange(established, 'during')).to.equal('during');

    const { active, refused } = await streams();
    expect(active).to.be.greaterThan(120);
    expect(refused).to.be.greaterThan(visitors / 2);
    expect(refused).to.equal(gone());
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

  it('lives on when all the streams that it took while they were idle stall', async () => {
    const flood: Socket[] = [];
    while (flood.length < visitors) {
      const some = Array.from({ length: 50 }, visit);
      flood.push(...some);
      await Promise.allSettled(some.map((socket) => exchange(socket, 'hello')));
    }
    const taken = flood.filter(({ destroyed }) => !destroyed);
    expect(taken.length).to.be.within(300, visitors - 100);
    for (const socket of taken.slice(1)) socket.write(upload);
    await eventually(
      'nothing moves',
      settled(async () => (ended() ? 1 : bytesToTarget())),
      { timeoutMs: 120_000 },
    );
    expect(agent.daemon.running, agent.daemon.tail()).to.equal(true);
    expect((await streams()).active).to.equal(taken.length);
    const [first] = taken;
    if (first) expect(await exchange(first, 'still there')).to.equal('still there');
    for (const socket of flood) socket.destroy();
  });

  const ended = () => !agent.daemon.running;

  async function bytesToTarget(): Promise<number> {
    return Number(/bytes_total\{to="target"\} (\d+)/.exec((await agent.probe('/metrics')).body)?.[1]);
  }

  async function streams(): Promise<{ readonly active: number; readonly refused: number }> {
    const { body } = await agent.probe('/metrics');
    const active = Number(/streams_active (\d+)/.exec(body)?.[1]);
    return {
      active,
      refused: Number(/dial_back_failures_total\{cause="memory"\} (\d+)/.exec(body)?.[1] ?? 0),
    };
  }

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
function settled(count: () => number | Promise<number>): () => Promise<boolean> {
  let before = -1;
  let since = 0;
  return async () => {
    const now = await count();
    if (now !== before) since = performance.now();
    before = now;
    return now > 0 && performance.now() - since > 2_000;
  };
}

async function exchange(socket: Socket, text: string): Promise<string> {
  socket.write(text);
  let received = '';
  while (received.length < text.length) received += (await once(socket, 'data'))[0];
  return received;
}
