// What the dev engine makes of a side that breaks off: an abort on the other side too, after everything it was sent.

import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { expect } from 'chai';
import { systemClock as clock } from '../../src/common/clock.ts';
import { codeOf } from '../../src/common/errors.ts';
import type { Engine } from '../../src/dev-engine/engine.ts';
import { createRelay } from '../../src/dev-engine/relay.ts';
import { resetSocket } from '../../src/rstream/connection.ts';
import { lastBytes } from '../../src/rstream/last-bytes.ts';
import { SocketTable } from '../../src/rstream/socket-table.ts';
import { startTestEngine } from '../support/dev-engine.ts';
import { eventually } from '../support/eventually.ts';
import { freePorts } from '../support/free-port.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { RawAgent } from '../support/raw-client.ts';
import { readBytes } from '../support/streams.ts';

const megabyte = 1024 * 1024;

describe('dev engine: relay', () => {
  let engine: Engine;
  let agent: RawAgent;
  const dialled: TLSSocket[] = [];
  before(async () => {
    engine = await startTestEngine({ tcpPorts: await freePorts(3) });
    agent = await RawAgent.start(engine, { onStream: (socket) => void dialled.push(socket) });
  });
  afterEach(() => {
    for (const socket of dialled.splice(0)) socket.destroy();
  });
  after(async () => {
    agent.close();
    await engine.close();
  });

  const visitors: Readonly<Record<'tcp' | 'tls', (owner?: RawAgent) => Promise<Socket>>> = {
    async tcp(owner = agent) {
      const { port = 0 } = await owner.open({ protocol: 'tcp' });
      return connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    },
    async tls(owner = agent) {
      const hostname = `${owner === agent ? 'relayed' : 'refused'}.t.engine.test`;
      if (!engine.registry.tunnels.some(({ properties }) => properties.hostname === hostname))
        await owner.open({ protocol: 'tls', hostname });
      return connectTls({
        port: engine.port,
        host: '127.0.0.1',
        servername: hostname,
        ca: engine.authority.certificate,
      });
    },
  };

  async function join(kind: keyof typeof visitors) {
    const visitor = await visitors[kind]();
    visitor.on('error', () => {});
    visitor.write('hello');
    const service = await eventually('the agent has dialled back', () => dialled[0]);
    service.on('error', () => {});
    expect(String(await readBytes(service, 5))).to.equal('hello');
    return { visitor, service };
  }

  for (const kind of ['tcp', 'tls'] as const) {
    for (const breaks of ['service', 'visitor'] as const) {
      it(`shows the abort of a ${breaks} behind its last bytes, with a ${kind} visitor`, async () => {
        const ends = await join(kind);
        const writer = ends[breaks];
        const reader = breaks === 'service' ? ends.visitor : ends.service;
        const sent = randomBytes(megabyte);
        writer.write(sent);
        const table = new SocketTable(clock);
        await lastBytes({ stream: writer, unwritten: () => writer.writableLength > 0, table, clock });
        const received: Buffer[] = [];
        const seen: string[] = [];
        reader.on('end', () => seen.push('end')).on('error', (error) => seen.push(String(codeOf(error))));
        resetSocket(writer);
        reader.on('data', (chunk: Buffer) => received.push(chunk)).resume();
        await eventually('it sees an end or an abort', () => seen.length > 0);
        expect(Buffer.concat(received).equals(sent)).to.equal(true);
        expect(seen).to.deep.equal(['ECONNRESET']);
      });
    }
  }

  for (const kind of ['tcp', 'tls'] as const) {
    it(`shows a ${kind} visitor whose stream the agent refuses an abort, not an empty answer`, async () => {
      const refusing = await RawAgent.start(engine, { refusal: 'the Service is away' });
      const visitor = await visitors[kind](refusing);
      const seen: string[] = [];
      visitor.on('end', () => seen.push('end')).on('error', (error) => seen.push(String(codeOf(error))));
      visitor.resume();
      await eventually('it sees an end or an abort', () => seen.length > 0);
      expect(seen).to.deep.equal(['ECONNRESET']);
      refusing.close();
    });
  }
});

describe('dev engine: createRelay', () => {
  it('has one watch and one look at the system for all its streams', () => {
    const manual = new ManualClock();
    const relay = createRelay(manual);
    for (let count = 0; count < 3; count += 1) void relay(new PassThrough(), new PassThrough());
    expect(manual.pending).to.equal(1);
  });
});
