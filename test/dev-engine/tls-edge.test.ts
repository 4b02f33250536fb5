// tls and tcp tunnels: terminated, passed through by server name, and by port; and packets framed over TLS.

import { randomBytes } from 'node:crypto';
import { connect as connectTcp } from 'node:net';
import {
  type ConnectionOptions,
  connect as connectTls,
  createServer as createTls,
  type TLSSocket,
} from 'node:tls';
import { expect } from 'chai';
import type { Engine } from '../../src/dev-engine/engine.ts';
import { testAuthority } from '../support/certificates.ts';
import { startTestEngine } from '../support/dev-engine.ts';
import { details, RawAgent, RawConnection } from '../support/raw-client.ts';

describe('dev engine: tls and tcp tunnels', () => {
  let engine: Engine;
  const cleanups: (() => unknown)[] = [];
  before(async () => {
    engine = await startTestEngine({ tcpPorts: { from: 23_500, to: 23_549 } });
  });
  afterEach(() => {
    for (const cleanup of cleanups.splice(0)) cleanup();
  });
  after(() => engine.close());

  async function agentWith(onStream?: (socket: TLSSocket) => void): Promise<RawAgent> {
    const agent = await RawAgent.start(engine, onStream && { onStream });
    cleanups.push(() => agent.close());
    return agent;
  }

  /** A visitor's TLS connection to a published name. */
  function visit(servername: string, options: ConnectionOptions = {}): Promise<RawConnection> {
    const settings: ConnectionOptions & { allowHalfOpen: boolean } = {
      host: '127.0.0.1',
      port: engine.port,
      servername,
      ca: engine.authority.certificate,
      allowHalfOpen: true,
      ...options,
    };
    return new Promise((resolve, reject) => {
      const socket = connectTls(settings);
      const connection = new RawConnection(socket);
      cleanups.push(() => socket.destroy());
      socket.once('error', reject).once('secureConnect', () => resolve(connection));
      socket.once('close', () => reject(new Error('closed during the handshake')));
    });
  }

  it('terminates TLS with a certificate for the name and carries the plain bytes, half-close included', async () => {
    const agent = await agentWith((socket) => {
      let text = '';
      socket.on('data', (chunk) => (text += chunk));
      socket.on('end', () => socket.end(`heard ${text}`));
      socket.resume();
    });
    const { hostname = '' } = await agent.open({ protocol: 'tls' });
    const visitor = await visit(hostname);
    visitor.write('plain words');
    visitor.socket.end();
    expect(String(await visitor.rest())).to.equal('heard plain words');
  });

  it('hands the visitors of a name that two tunnels share to each in turn', async () => {
    const shared = await startTestEngine({ hostnameConflict: 'share' });
    const hostname = 'shared.t.engine.test';
    const served: string[] = [];
    for (const name of ['one', 'two']) {
      const onStream = (socket: TLSSocket) => {
        served.push(name);
        socket.end();
      };
      const agent = await RawAgent.start(shared, { onStream });
      cleanups.push(() => agent.close());
      await agent.open({ protocol: 'tls', hostname });
    }
    for (let count = 0; count < 4; count += 1) await (await visit(hostname, { port: shared.port })).rest();
    await shared.close();
    expect(served.toSorted()).to.deep.equal(['one', 'one', 'two', 'two']);
  });

  it('offers the ALPNs and the TLS version the tunnel asked for', async () => {
    const agent = await agentWith();
    const { hostname = '' } = await agent.open({
      protocol: 'tls',
      tlsAlpns: ['mqtt'],
      tlsMinVersion: 'tls1.3',
    });
    expect((await visit(hostname, { ALPNProtocols: ['x', 'mqtt'] })).socket.alpnProtocol).to.equal('mqtt');
    for (const options of [{ ALPNProtocols: ['x'] }, { maxVersion: 'TLSv1.2' as const }]) {
      expect(await visit(hostname, options).catch((error: Error) => error)).to.be.instanceOf(Error);
    }
  });

  it('lets in only visitors with a certificate where the tunnel wants one', async () => {
    const agent = await agentWith((socket) => void socket.end('welcome'));
    const { hostname = '' } = await agent.open({ protocol: 'tls', mtlsAuth: true });
    const known = await visit(hostname, await engine.authority.issueClient('visitor'));
    expect(String(await known.rest())).to.equal('welcome');
    const unknown = await visit(hostname).then(
      (visitor) => visitor.rest(),
      () => Buffer.alloc(0),
    );
    expect(unknown.length).to.equal(0);
  });

  it('passes TLS through untouched, ClientHello included, by server name', async () => {
    const certificate = await (await testAuthority()).issueServer(['inside.t.engine.test']);
    const server = createTls(certificate, (socket) => void socket.end(`inner ${socket.getProtocol()}`));
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    cleanups.push(() => server.close());
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const agent = await agentWith((socket) => {
      const local = connectTcp(port, '127.0.0.1');
      local.on('error', () => socket.destroy());
      socket.pipe(local).pipe(socket);
    });
    await agent.open({ protocol: 'tls', tlsMode: 'passthrough', hostname: 'inside.t.engine.test' });
    const visitor = await visit('inside.t.engine.test', { ALPNProtocols: ['rstrm/1'] });
    expect(String(await visitor.rest())).to.equal('inner TLSv1.3');
  });

  it('serves every name under a wildcard, exact names first', async () => {
    const wild = await agentWith((socket) => void socket.end('wild'));
    const exact = await agentWith((socket) => void socket.end('exact'));
    await wild.open({ protocol: 'tls', hostname: '*.apps.t.engine.test' });
    await exact.open({ protocol: 'tls', hostname: 'one.apps.t.engine.test' });
    expect(String(await (await visit('two.apps.t.engine.test')).rest())).to.equal('wild');
    expect(String(await (await visit('one.apps.t.engine.test')).rest())).to.equal('exact');
  });

  it('carries tcp by port, with the visitor address checked first', async () => {
    const agent = await agentWith();
    const open = await agent.open({ protocol: 'tcp' });
    const echoed = await new Promise<string>((resolve, reject) => {
      const socket = connectTcp({ port: open.port ?? 0, host: '127.0.0.1' }, () => socket.end('round trip'));
      let text = '';
      socket
        .on('data', (chunk) => (text += chunk))
        .on('end', () => resolve(text))
        .on('error', reject);
    });
    expect(echoed).to.equal('round trip');

    const closed = await agent.open({ protocol: 'tcp', trustedIps: ['10.0.0.0/8'] });
    const refused = await new Promise<number>((resolve) => {
      const socket = connectTcp({ port: closed.port ?? 0, host: '127.0.0.1' });
      socket
        .on('error', () => {})
        .on('close', () => resolve(socket.bytesRead))
        .resume();
    });
    expect(refused).to.equal(0);
    expect(agent.requests.length).to.equal(1);
  });

  it('case 85: carries packets of 0, 1, 1,200 and 65,535 bytes framed between dialler and agent', async () => {
    const agent = await agentWith();
    await agent.open({ publish: false, type: 'datagram', name: 'packets' });
    const dialler = await RawConnection.connect(engine);
    dialler.send({
      case: 'streamReq',
      value: { clientDetails: details('T'), tunnelIdName: 'packets', zeroRtt: true },
    });
    for (const size of [0, 1, 1200, 65_535]) {
      const packet = Buffer.concat([Buffer.alloc(4), randomBytes(size)]);
      packet.writeUInt32BE(size, 0);
      dialler.write(packet);
      expect((await dialler.read(packet.length)).equals(packet)).to.equal(true);
    }
    dialler.close();
  });

  it('case 91: refuses a datagram channel without QUIC, and serves the plain dial that follows', async () => {
    const agent = await agentWith();
    await agent.open({ publish: false, type: 'datagram', name: 'fallback' });
    for (const datagramChannel of [true, undefined]) {
      const dialler = await RawConnection.connect(engine);
      const request = { clientDetails: details('T'), tunnelIdName: 'fallback', zeroRtt: false };
      dialler.send({ case: 'streamReq', value: { ...request, ...(datagramChannel && { datagramChannel }) } });
      const { payload } = await dialler.expect('streamRsp');
      expect(payload.case).to.equal(datagramChannel ? 'error' : 'streamId');
      dialler.close();
    }
  });

  it('closes connections that do not begin with a ClientHello', async () => {
    for (const text of [
      'GET / HTTP/1.1\r\n\r\n',
      '\x16\x03\x01\xff\xff',
      '\x16\x03\x01\x00\x04\x02\x00\x00\x00',
    ]) {
      const bytes = await new Promise<number>((resolve) => {
        const socket = connectTcp({ port: engine.port, host: '127.0.0.1' }, () =>
          socket.write(text, 'latin1'),
        );
        socket
          .on('error', () => {})
          .on('close', () => resolve(socket.bytesRead))
          .resume();
      });
      expect(bytes).to.equal(0);
    }
  });
});
