// A process that plays an agent's sessions over and over against an engine, a few at once, and prints, as one JSON line per look,
// what the process holds while none is under way: sockets, timers and heap. Arguments: engine port, Service port, CA file, cycles,
// and the ports of the tunnels: one for each session that runs beside others.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { Forwarder } from '../../src/agent/forwarder.ts';
import { AgentMetrics } from '../../src/agent/metrics.ts';
import { TargetHealth } from '../../src/agent/target-health.ts';
import { systemClock as clock } from '../../src/common/clock.ts';
import { silentLogger as log } from '../../src/common/logging.ts';
import { openControlChannel } from '../../src/rstream/control-channel.ts';
import { TlsTransport } from '../../src/rstream/tls-transport.ts';
import { closed, roundTrip } from './transfers.ts';

const [enginePort, targetPort] = process.argv.slice(2, 4).map(Number);
const [caFile = '', cycles = '0', ...tunnelPorts] = process.argv.slice(4);
const ca = readFileSync(caFile, 'utf8');
const material = { ca };
const transport = new TlsTransport({ material: () => material });
const target = { host: '127.0.0.1', port: targetPort ?? 0 };
const forwarder = new Forwarder({
  target,
  clock,
  log,
  metrics: new AgentMetrics(clock),
  health: new TargetHealth(() => {}),
});

/** One session: connect, open the tunnel, carry a stream, and go in one of four ways. */
async function session(number: number, port: number): Promise<void> {
  const engine = { host: '127.0.0.1', port: enginePort ?? 0 };
  const channel = await openControlChannel({ engine, transport, token: 'T', clock });
  const tunnel = await channel.openTunnel({ protocol: 'tcp', port });
  const accepting = (async () => {
    for (let stream = await tunnel.accept(); stream; stream = await tunnel.accept())
      void forwarder.forward(stream);
  })();
  const visitor = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  await once(visitor, 'connect');
  const answer = await roundTrip(visitor, `session ${number}`);
  if (answer !== `session ${number}`) throw new Error(`the visitor heard "${answer}"`);
  await closed(visitor);

  if (number % 4 === 0) await tunnel.release();
  if (number % 4 === 1) await tunnel.close();
  if (number % 4 === 2) channel.drop();
  else await channel.close();
  await channel.done;
  await accepting;
  await forwarder.idle();
}

async function look(session: number): Promise<void> {
  // Sockets close in turns of their own; collecting twice frees what finalizers let go of.
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  globalThis.gc?.();
  await new Promise((resolve) => setImmediate(resolve));
  globalThis.gc?.();
  const held: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) held[kind] = (held[kind] ?? 0) + 1;
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  process.stdout.write(`${JSON.stringify({ session, held, bytes: heapUsed + external + arrayBuffers })}\n`);
}

async function sessionOnceThePortIsFree(number: number, port: number): Promise<void> {
  // Whoever held the port before is gone for us as soon as its socket is; the engine may need a turn more.
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await session(number, port);
    } catch (error) {
      if (attempt === 100 || !String(error).includes('in use')) throw error;
    }
  }
}

const total = Number(cycles);
for (let number = 0; number < total; ) {
  const until = number + total / 10;
  const lane = async (port: number) => {
    while (number < until) await sessionOnceThePortIsFree(++number, port);
  };
  await Promise.all(tunnelPorts.map((port) => lane(Number(port))));
  await look(number);
}
