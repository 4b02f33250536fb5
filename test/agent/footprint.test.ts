// What an agent does not load, because a process per tunnel pays for everything that it does.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Engine } from '../../src/dev-engine/engine.ts';
import { quicUnavailable } from '../../src/rstream/quic-native.ts';
import { AgentProcess, stopAgents } from '../support/agent-process.ts';
import { testAuthority } from '../support/certificates.ts';
import { startTestEngine } from '../support/dev-engine.ts';

describe("an agent's footprint", function () {
  this.timeout(120_000);
  const directory = mkdtempSync(join(tmpdir(), 'rstream-footprint-'));
  let engine: Engine;
  before(async () => {
    engine = await startTestEngine();
    writeFileSync(join(directory, 'ca.pem'), (await testAuthority()).certificate);
  });
  afterEach(stopAgents);
  after(async () => {
    await engine.close();
    rmSync(directory, { recursive: true, force: true });
  });

  async function librariesOf(tunnel: object, protocol: 'TCP' | 'UDP'): Promise<string> {
    const agent = new AgentProcess({
      config: {
        connection: { engine: `127.0.0.1:${engine.port}`, tls: { caFile: join(directory, 'ca.pem') } },
        tunnel: { name: `footprint-${protocol}`, publish: false, ...tunnel },
        target: { host: '127.0.0.1', port: '1', protocol },
      },
    });
    await agent.ready();
    return readFileSync(`/proc/${agent.daemon.pid}/maps`, 'utf8');
  }

  it('leaves the native part of QUIC alone for a tunnel of bytes, and loads it for one of packets', async () => {
    expect(await librariesOf({ type: 'bytestream' }, 'TCP')).not.to.match(/infisical.*\.node/);
    const packets = await librariesOf({ type: 'datagram' }, 'UDP');
    expect(/infisical.*\.node/.test(packets)).to.equal(quicUnavailable() === undefined);
  });
});
