// Whoever is sent a secret may say it back: the engine in a refusal, a proxy in its answer. The agent repeats their words in
// its log, on /readyz and in the status, and must not repeat that.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { AgentProcess, stopAgents } from '../support/agent-process.ts';
import { eventually } from '../support/eventually.ts';
import { ScriptedEngine } from '../support/scripted-engine.ts';
import { ScriptedProxy } from '../support/scripted-proxy.ts';

const token = 'token-canary-4f1d';
const [username, password] = ['user-canary-4f1d', 'password-canary-4f1d'];
const basic = Buffer.from(`${username}:${password}`).toString('base64');

describe('an agent that is told its secrets', function () {
  this.timeout(120_000);
  const directory = mkdtempSync(join(tmpdir(), 'rstream-redaction-'));
  const caFile = join(directory, 'ca.pem');
  let engine: ScriptedEngine;
  let proxy: ScriptedProxy;

  beforeEach(async () => {
    engine = await ScriptedEngine.start();
    proxy = await ScriptedProxy.start();
    writeFileSync(caFile, engine.ca);
  });
  afterEach(async () => {
    await stopAgents();
    await proxy.stop();
    await engine.stop();
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  function agent(transport: object = {}, args: readonly string[] = []): AgentProcess {
    const { host, port } = engine.address;
    return new AgentProcess({
      config: {
        connection: { engine: `${host}:${port}`, tls: { caFile }, transport: { mode: 'tls', ...transport } },
        tunnel: { protocol: 'tcp' },
        target: { host: '127.0.0.1', port: '1' },
        log: { level: 'debug' },
      },
      args,
      env: { RSTREAM_AUTHENTICATION_TOKEN: `${token}\n`, USER_NAME: username, PASSWORD: password },
    });
  }

  async function repeatsNone(process: AgentProcess, said: string): Promise<void> {
    await eventually('it was refused', () => process.log.includes(said), { timeoutMs: 60_000 });
    const { status, body } = await process.probe('/readyz');
    expect(status).to.equal(503);
    expect(body).to.include(said);
    for (const secret of [token, username, password, basic]) {
      expect(process.log, secret).to.not.include(secret);
      expect(body, secret).to.not.include(secret);
    }
  }

  it('by the engine does not repeat them', async () => {
    const process = agent();
    const control = await engine.next();
    await control.expect('openControlChannelReq');
    const value = { number: 1000, message: `no such token: ${token}!` };
    control.send({ case: 'openControlChannelRsp', value: { payload: { case: 'error', value } } });
    await repeatsNone(process, 'no such token');
  });

  it('by a message of its own does not repeat them either, when it cannot even start', async () => {
    const process = agent({}, [`--config=/${token}`]);
    await process.daemon.exited;
    expect(process.log).to.include('/(secret) cannot be read').and.not.include(token);
  });

  it('by its proxy does not repeat them', async () => {
    proxy.answer = `HTTP/1.1 407 not you: ${username} ${password} (${basic})\r\n\r\n`;
    const http = proxy.url.replace('localhost', '127.0.0.1');
    const process = agent({ proxy: { http, usernameEnv: 'USER_NAME', passwordEnv: 'PASSWORD' } });
    await repeatsNone(process, 'not you');
  });
});
