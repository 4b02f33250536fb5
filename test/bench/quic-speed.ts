// Bulk speed of one QUIC stream against one TLS connection, both through our own transports, in each direction: MB/s, and CPU
// seconds per GB of each end. The two ends are two processes. Prints JSON. docs/benchmarks.md has the results.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { createServer } from 'node:tls';
import { systemClock } from '../../src/common/clock.ts';
import { listenQuic } from '../../src/rstream/quic-listener.ts';
import { QuicTransport } from '../../src/rstream/quic-transport.ts';
import { TlsTransport } from '../../src/rstream/tls-transport.ts';
import { serverCertificate } from '../support/certificates.ts';

const chunk = Buffer.alloc(256 * 1024, 'rstream');

interface Ports {
  readonly quic: number;
  readonly tls: number;
  readonly ca: string;
}

interface Row {
  readonly mode: string;
  readonly direction: string;
  readonly megabytesPerSecond: number;
  readonly clientCpuSecondsPerGb: number;
  readonly engineCpuSecondsPerGb: number;
}

/** The engine's end: the first 8 bytes say how many bytes to send back; without any it swallows what comes and confirms. */
async function serve(): Promise<void> {
  const { ca, cert, key } = await serverCertificate();
  const listener = await listenQuic({
    host: '127.0.0.1',
    port: 0,
    material: { cert, key },
    clock: systemClock,
    onConnection: ({ stream }) => answer(stream),
  });
  const server = createServer({ cert, key, allowHalfOpen: true, ALPNProtocols: ['rstrm/1'] }, answer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (typeof address === 'string' || address === null) throw new Error('no port');
  process.send?.({ quic: listener.port, tls: address.port, ca } satisfies Ports);
  process.on('message', () => process.send?.(process.cpuUsage()));
  process.once('disconnect', () => process.exit(0));
}

function answer(stream: Duplex): void {
  stream.on('error', () => {});
  stream.once('readable', () => {
    const head: Buffer | null = stream.read(8);
    const wanted = Number(head?.readBigUInt64BE() ?? 0n);
    if (wanted > 0) void send(stream, wanted);
    stream.on('data', () => {});
    if (wanted === 0) stream.once('end', () => stream.end('done'));
  });
}

async function send(stream: Duplex, bytes: number): Promise<void> {
  for (let left = bytes; left > 0; left -= chunk.length) {
    if (!stream.write(left < chunk.length ? chunk.subarray(0, left) : chunk)) await once(stream, 'drain');
  }
  stream.end();
}

async function measure(bytes: number): Promise<readonly Row[]> {
  const engine = fork(import.meta.filename, ['serve'], { execArgv: process.execArgv });
  const [ports] = (await once(engine, 'message')) as [Ports];
  const material = { ca: ports.ca };
  const transports = {
    tls: { port: ports.tls, transport: new TlsTransport({ material: () => material }) },
    quic: {
      port: ports.quic,
      transport: new QuicTransport({ clock: systemClock, material: () => material }),
    },
  };
  const engineCpu = async () => {
    engine.send('cpu');
    const [usage] = (await once(engine, 'message')) as [NodeJS.CpuUsage];
    return usage;
  };
  const rows: Row[] = [];
  for (const [mode, { port, transport }] of Object.entries(transports)) {
    for (const direction of ['to the engine', 'from the engine'] as const) {
      const target = { engine: { host: 'localhost', port } };
      const { stream } = await transport.connect(target, AbortSignal.timeout(10_000));
      const before = { own: process.cpuUsage(), engine: await engineCpu(), at: performance.now() };
      await transfer(stream, direction === 'to the engine' ? 0 : bytes, bytes);
      const seconds = (performance.now() - before.at) / 1000;
      const after = { own: process.cpuUsage(before.own), engine: await engineCpu() };
      const gigabytes = bytes / 1e9;
      rows.push({
        mode,
        direction,
        megabytesPerSecond: Math.round(bytes / 1e6 / seconds),
        clientCpuSecondsPerGb: round((after.own.user + after.own.system) / 1e6 / gigabytes),
        engineCpuSecondsPerGb: round(
          (after.engine.user + after.engine.system - before.engine.user - before.engine.system) /
            1e6 /
            gigabytes,
        ),
      });
    }
    transport.close();
  }
  engine.disconnect();
  return rows;
}

async function transfer(stream: Duplex, download: number, bytes: number): Promise<void> {
  const head = Buffer.alloc(8);
  head.writeBigUInt64BE(BigInt(download));
  stream.write(head);
  let received = 0;
  stream.on('data', (data: Buffer) => {
    received += data.length;
  });
  const ended = once(stream, 'end');
  if (download === 0) await send(stream, bytes);
  await ended;
  if (received !== (download || 4)) throw new Error(`${received} bytes arrived instead of ${download || 4}`);
  stream.destroy();
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

if (process.argv[2] === 'serve') await serve();
else console.log(JSON.stringify(await measure(Number(process.argv[2] ?? 200) * 1e6), null, 2));
