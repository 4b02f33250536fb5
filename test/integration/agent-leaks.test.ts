// Thousands of sessions, one after the other: nothing of them is left.

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import type { Engine } from '../../src/dev-engine/engine.ts';
import { testAuthority } from '../support/certificates.ts';
import { startTestEngine } from '../support/dev-engine.ts';
import { freePorts } from '../support/free-port.ts';
import { echoService, type TcpService } from '../support/tcp-service.ts';

const cycles = process.env.RSTREAM_TEST_FULL === '1' ? 10_000 : 1_000;
/** Sessions under way at one time: while one waits for the engine's process, another one uses the agent's. */
const lanes = 4;
/** Ten times what they take on a quiet machine, and a start. */
const timeoutMs = 60_000 + cycles * 80;

interface Look {
  readonly session: number;
  /** Active resources of the process by kind: sockets, timers, requests. */
  readonly held: Readonly<Record<string, number>>;
  readonly bytes: number;
}

describe('leaks', function () {
  this.timeout(timeoutMs + 60_000);
  const directory = mkdtempSync(join(tmpdir(), 'rstream-leaks-'));
  let engine: Engine;
  let service: TcpService;
  let tunnelPorts: readonly number[];

  before(async () => {
    const tcpPorts = await freePorts(lanes);
    tunnelPorts = Array.from({ length: lanes }, (_, index) => tcpPorts.from + index);
    engine = await startTestEngine({ tcpPorts, recordLimit: 1 });
    service = await echoService();
    writeFileSync(join(directory, 'ca.pem'), (await testAuthority()).certificate);
  });
  after(async () => {
    await engine.close();
    await service.close();
    rmSync(directory, { recursive: true, force: true });
  });

  it(`leave no socket, no timer and no memory behind after ${cycles} sessions`, async () => {
    const probe = new URL('../support/leak-probe.ts', import.meta.url).pathname;
    const args = [probe, engine.port, service.port, join(directory, 'ca.pem'), cycles, ...tunnelPorts];
    const options = { timeout: timeoutMs, killSignal: 'SIGKILL' } as const;
    const run = promisify(execFile)(process.execPath, ['--expose-gc', ...args.map(String)], options);
    const { stdout } = await run.catch((error) => {
      throw new Error(`the probe ended after ${error.stdout}`, { cause: error });
    });
    const looks: Look[] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(looks.map(({ session }) => session)).to.have.length(10);

    const [first, second, last] = [looks[0], looks[1], looks.at(-1)];
    if (!first || !second || !last) throw new Error('too few looks');
    expect(last.held).to.deep.equal(first.held);
    expect(Object.keys(last.held).filter((kind) => /TCP|TLS|Timeout/.test(kind))).to.deep.equal([]);
    // Kept slabs and compiled code grow at first; from then on a session may cost nothing but noise.
    const perSession = (last.bytes - second.bytes) / (last.session - second.session);
    console.log(
      `      ${Math.round(last.bytes / 1024)} KiB at the end, ${Math.round(perSession)} bytes a session`,
    );
    expect(perSession).to.be.below(1_000);
    expect(service.sockets.size).to.equal(0);
    expect(engine.status()).to.include({ clients: 0, tunnels: 0, streams: 0, pendingStreams: 0 });
  });
});
