// The engine against a client nobody here wrote: the official Python SDK opens, forwards, dials, lists and watches, with
// a token and with a client certificate, and dials private tunnels served by our own agent.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer as createHttp, type Server } from 'node:http';
import { request } from 'node:https';
import {
  type AddressInfo,
  connect as connectTcp,
  createServer as createTcp,
  type Server as TcpServer,
} from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Engine } from '../../src/dev-engine/engine.ts';
import { AgentProcess, stopAgents } from '../support/agent-process.ts';
import { startTestEngine } from '../support/dev-engine.ts';
import { eventually } from '../support/eventually.ts';
import { type Line, pythonWithSdk, runSdk, SdkProcess } from '../support/python-sdk.ts';

describe('conformance: the official Python SDK', function () {
  this.timeout(120_000);

  let engine: Engine;
  let directory: string;
  let web: Server;
  let echo: TcpServer;
  let token: Line;
  let certificate: Line;
  const processes: { kill(): void }[] = [];

  before(async function () {
    this.timeout(600_000);
    await pythonWithSdk();
    directory = await mkdtemp(join(tmpdir(), 'sdk-'));
    engine = await startTestEngine({
      tcpPorts: { from: 23_300, to: 23_399 },
      controlPlane: { host: '127.0.0.1', port: 0 },
      regions: ['eu-west-3'],
    });
    const { cert, key } = await engine.authority.issueClient('sdk');
    const files = { caFile: engine.authority.certificate, certFile: cert, keyFile: key };
    for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text);
    const caFile = join(directory, 'caFile');
    token = { engine: `localhost:${engine.port}`, token: 'T', caFile };
    const [certFile, keyFile] = [join(directory, 'certFile'), join(directory, 'keyFile')];
    certificate = { engine: `localhost:${engine.port}`, caFile, certFile, keyFile };

    web = createHttp((incoming, response) => {
      response.end(`served ${incoming.url} for ${incoming.headers['x-forwarded-for']}`);
    });
    echo = createTcp((socket) => {
      socket.on('error', () => {}).pipe(socket);
    });
    for (const server of [web, echo]) await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  });

  afterEach(async () => {
    await stopAgents();
    for (const process of processes.splice(0)) process.kill();
  });

  after(async () => {
    await engine?.close();
    web?.close();
    echo?.close();
    if (directory) await rm(directory, { recursive: true, force: true });
  });

  const portOf = (server: Server | TcpServer) => (server.address() as AddressInfo).port;

  async function serve(settings: Line, tunnels: readonly object[]): Promise<SdkProcess> {
    const serving = await SdkProcess.start('serve', { ...settings, tunnels });
    processes.push(serving);
    await eventually(
      'the SDK serves',
      () => {
        serving.check();
        return serving.lines.some((line) => line.ready);
      },
      { timeoutMs: 60_000 },
    );
    return serving;
  }

  function fetchPublished(hostname: string, path: string): Promise<string> {
    const ca = engine.authority.certificate;
    return new Promise((resolve, reject) => {
      const headers = { host: `${hostname}:${engine.port}` };
      const options = {
        host: '127.0.0.1',
        port: engine.port,
        servername: hostname,
        ca,
        path,
        headers,
        agent: false,
      };
      const outgoing = request(options, (response) => {
        let text = '';
        response.on('data', (chunk) => {
          text += chunk;
        });
        response.on('end', () => resolve(text));
      });
      outgoing.on('error', reject).end();
    });
  }

  function echoOver(port: number, text: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connectTcp(port, '127.0.0.1', () => socket.write(text));
      socket.on('error', reject);
      socket.once('data', (chunk) => {
        socket.destroy();
        resolve(String(chunk));
      });
    });
  }

  for (const credentials of ['token', 'certificate'] as const) {
    const settings = () => (credentials === 'token' ? token : certificate);

    it(`forwards http and tcp tunnels, with a ${credentials}`, async () => {
      const serving = await serve(settings(), [
        { protocol: 'http', name: 'web', forwardTo: portOf(web) },
        { protocol: 'tcp', forwardTo: portOf(echo) },
      ]);
      const [http, tcp] = serving.lines;
      expect(http?.address).to.equal(`https://${http?.hostname}:${engine.port}`);
      expect(await fetchPublished(String(http?.hostname), '/page')).to.equal('served /page for 127.0.0.1');
      expect(tcp?.address).to.equal(`127.0.0.1:${tcp?.port} (tcp)`);
      expect(await echoOver(Number(tcp?.port), 'over tcp')).to.equal('over tcp');
      const said = await serving.finish();
      expect(said.at(-1)).to.deep.equal({ closed: true, clean: true });
      expect(engine.registry.tunnels).to.deep.equal([]);
    });

    it(`dials private tunnels by name and id, and 32 at once, with a ${credentials}`, async () => {
      const serving = await serve(settings(), [{ publish: false, name: 'private-api' }]);
      const targets = ['private-api', serving.lines[0]?.id];
      const said = await runSdk('dial', { ...settings(), targets, parallel: 32 });
      expect(said.slice(0, 4).map((line) => line.echoed)).to.deep.equal([true, true, true, true]);
      expect(said[4]).to.deep.equal({ parallel: 32 });
      await serving.finish();
    });

    for (const transport of ['sse', 'websocket'] as const) {
      it(`watches events over ${transport}, with a ${credentials}`, async () => {
        const watching = await SdkProcess.start('watch', {
          ...settings(),
          transport,
          until: 'client.deleted',
        });
        processes.push(watching);
        await eventually(
          'the snapshot is there',
          () => {
            watching.check();
            return watching.lines.length > 0;
          },
          { timeoutMs: 60_000 },
        );
        const serving = await serve(token, [{ publish: false, name: 'seen' }]);
        await serving.finish();
        const said = await watching.finish();
        expect(said.map((line) => line.type)).to.deep.equal([
          'state.initial',
          'client.created',
          'tunnel.created',
          'tunnel.deleted',
          'client.deleted',
        ]);
        expect(said[2]?.name).to.equal('seen');
      });
    }

    it(`lists tunnels by label and clients, with a ${credentials}`, async () => {
      const tunnels = [
        { publish: false, name: 'ours', labels: { team: 'red' } },
        { publish: false, name: 'other', labels: { group: 'red' } },
      ];
      const serving = await serve(token, tunnels);
      const said = await runSdk('inventory', settings());
      expect(said).to.deep.equal([
        { name: 'ours', labels: { team: 'red' }, status: 'online' },
        { clients: ['rstream-python-runtime'] },
      ]);
      await serving.finish();
    });
  }

  it('is refused with 1000 for a wrong token and 3000 for an unknown tunnel', async () => {
    const [refused] = await runSdk('connect', { ...token, token: 'wrong' });
    expect(refused).to.deep.include({ connected: false, engineCode: 1000 });
    const said = await runSdk('dial-unknown', token);
    expect(said).to.deep.equal([{ code: 'ERR_RSTREAM_ENGINE', engineCode: 3000 }, { bytes: 0 }]);
  });

  it('resolves a project and its regions through the control plane', async () => {
    const apiUrl = `http://127.0.0.1:${engine.controlPlanePort}`;
    const [said] = await runSdk('resolve', { apiUrl, token: 'T', endpoint: engine.endpoint });
    expect(said).to.deep.equal({
      engine: `${engine.endpoint}.engine.test:${engine.port}`,
      regional: `${engine.endpoint}.eu-west-3.engine.test:${engine.port}`,
    });
  });

  for (const credentials of ['token', 'certificate'] as const) {
    it(`dials a private tunnel that our agent serves, both with a ${credentials}`, async () => {
      const name = `by-our-agent-with-${credentials}`;
      const [caFile, certFile, keyFile] = ['caFile', 'certFile', 'keyFile'].map((file) =>
        join(directory, file),
      );
      const mtls = credentials === 'certificate' && { mtls: { certFile, keyFile } };
      const agent = new AgentProcess({
        config: {
          connection: { engine: `localhost:${engine.port}`, tls: { caFile }, ...mtls },
          tunnel: { name, publish: false, type: 'bytestream' },
          target: { host: '127.0.0.1', port: String(portOf(echo)), protocol: 'TCP' },
        },
        env: { RSTREAM_AUTHENTICATION_TOKEN: credentials === 'token' ? 'T' : '' },
      });
      await agent.ready();

      const id = engine.registry.resolve(name)?.id;
      const settings = credentials === 'token' ? token : certificate;
      const said = await runSdk('dial', { ...settings, targets: [name, id], parallel: 32 });
      expect(said.slice(0, 4).map((line) => line.echoed)).to.deep.equal([true, true, true, true]);
      expect(said[4]).to.deep.equal({ parallel: 32 });
    });
  }
});
