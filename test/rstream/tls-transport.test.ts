import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import tls, { connect, TLSSocket } from 'node:tls';
import { expect } from 'chai';
import { createCertificateAuthority } from '../../src/dev-engine/certificate-authority.ts';
import type { EngineAddress } from '../../src/rstream/engine-address.ts';
import { systemPath } from '../../src/rstream/network-path.ts';
import { TlsContext, type TlsMaterial } from '../../src/rstream/tls-options.ts';
import { TlsTransport } from '../../src/rstream/tls-transport.ts';
import type { ConnectTarget, EngineConnection } from '../../src/rstream/transport.ts';
import { eventually } from '../support/eventually.ts';
import { ScriptedEngine } from '../support/scripted-engine.ts';
import { readBytes, rejection } from '../support/streams.ts';
import { tcpService } from '../support/tcp-service.ts';

const never = new AbortController().signal;

describe('TlsTransport', () => {
  let engine: ScriptedEngine;
  beforeEach(async () => {
    engine = await ScriptedEngine.start();
  });
  afterEach(() => engine.stop());

  const socketOf = ({ stream }: EngineConnection) => {
    if (!(stream instanceof TLSSocket)) throw new Error('expected a TLS socket');
    return stream;
  };
  const exchange = async (connection: EngineConnection) => {
    const side = await engine.next();
    connection.stream.write('ping');
    side.raw(await side.bytes(4));
    expect((await readBytes(connection.stream, 4)).toString()).to.equal('ping');
    return side;
  };

  it('resumes its TLS session on the next connection to the same engine', async () => {
    const transport = engine.transport();
    const first = await transport.connect({ engine: engine.address }, never);
    await exchange(first);
    const second = await transport.connect({ engine: engine.address }, never);
    await exchange(second);

    expect(socketOf(first).isSessionReused()).to.equal(false);
    expect(socketOf(second).isSessionReused()).to.equal(true);
    expect(socketOf(second).alpnProtocol).to.equal('rstrm/1');
  });

  it('exchanges keys cheaply beside a ticket, and in full again once the engine refused one', async () => {
    const transport = engine.transport();
    const connect = async () => {
      const connection = await transport.connect({ engine: engine.address }, never);
      await exchange(connection);
      const socket = socketOf(connection);
      return { resumed: socket.isSessionReused(), keys: JSON.stringify(socket.getEphemeralKeyInfo()) };
    };
    const first = await connect();
    const second = await connect();
    expect(second).to.deep.equal({ resumed: true, keys: '{"type":"ECDH","name":"X25519","size":253}' });
    expect(first.keys).not.to.equal(second.keys);

    engine.refuseTickets();
    expect(await connect(), 'the ticket is refused').to.deep.equal({ ...second, resumed: false });
    expect(await connect(), 'nothing is built on that').to.deep.equal(first);
    expect(await connect()).to.deep.equal(second);
  });

  it('keeps no certificate beside the ticket', async () => {
    const transport = engine.transport();
    const certificates = [];
    for (let time = 0; time < 3; time += 1) {
      const connection = await transport.connect({ engine: engine.address }, never);
      await exchange(connection);
      expect(socketOf(connection).authorized).to.equal(true);
      certificates.push(socketOf(connection).getPeerX509Certificate()?.subject);
    }
    expect(certificates).to.deep.equal(['CN=localhost', undefined, undefined]);
  });

  it('finds the engine once per control channel, and anew when it is not where it was', async () => {
    const asked: string[] = [];
    const transport = engine.transport({
      path: {
        ...systemPath,
        socketOptions: (address, signal) => {
          asked.push(address.host);
          return systemPath.socketOptions(address, signal);
        },
      },
    });
    const connect = (target: Partial<ConnectTarget> = {}) =>
      transport.connect({ engine: engine.address, ...target }, never);
    await connect();
    const { stream } = await connect({ control: true });
    await connect();
    await connect({ redirected: true });
    await connect({ redirected: true, engine: { ...engine.address, host: '127.0.0.1' } });
    await connect();
    const address = stream instanceof TLSSocket && stream.remoteAddress;
    expect(asked).to.deep.equal(['localhost', 'localhost', address, 'localhost', '127.0.0.1', address]);

    asked.length = 0;
    await engine.stop();
    expect(await rejection(connect())).to.have.property('code', 'ERR_RSTREAM_TRANSPORT');
    await rejection(connect());
    expect(asked).to.deep.equal([address, 'localhost', 'localhost']);
  });

  it('checks the certificate for a server name that is an IP address', async () => {
    const named = (serverName: string) =>
      engine.transport({ serverName }).connect({ engine: engine.address }, never);
    expect(socketOf(await named('127.0.0.1')).servername).to.equal(false);
    expect(await rejection(named('127.0.0.9'))).to.have.property('code', 'ERR_RSTREAM_TRANSPORT');
  });

  it('never resumes a session under another name', async () => {
    const transport = engine.transport();
    await exchange(await transport.connect({ engine: engine.address }, never));
    const literal = { ...engine.address, host: '127.0.0.1' };
    const other = await transport.connect({ engine: literal }, never);
    await exchange(other);

    expect(socketOf(other).isSessionReused()).to.equal(false);
  });

  it('never offers a redirect the ticket that was given under the name that was asked for', async () => {
    const context = new TlsContext({ material: () => material, serverName: 'localhost' });
    const material = { ca: engine.ca };
    const target = { engine: { ...engine.address, host: '127.0.0.1' } };
    const socket = connect({ ...context.options(target), port: engine.address.port });
    context.collectTickets(socket, target);
    await once(socket, 'session');
    socket.destroy();

    expect(context.options(target).session).to.be.instanceOf(Buffer);
    expect(context.options({ ...target, redirected: true }).session).to.equal(undefined);
  });

  it('uses new material for the next connection, with a new session', async () => {
    let material: TlsMaterial = { ca: engine.ca };
    const transport = engine.transport({ material: () => material });
    await exchange(await transport.connect({ engine: engine.address }, never));
    material = { ca: (await createCertificateAuthority()).certificate };
    expect(await rejection(transport.connect({ engine: engine.address }, never))).to.have.property(
      'code',
      'ERR_RSTREAM_TRANSPORT',
    );

    material = { ca: engine.ca };
    const last = await transport.connect({ engine: engine.address }, never);
    expect(socketOf(last).isSessionReused()).to.equal(false);
  });

  it('shows the material there is when the handshake begins, not when the way was asked for', async () => {
    let material: TlsMaterial = { ca: engine.ca };
    const asked = Promise.withResolvers<void>();
    const found = Promise.withResolvers<void>();
    const path = {
      ...systemPath,
      socketOptions: async (address: EngineAddress, signal: AbortSignal) => {
        asked.resolve();
        await found.promise;
        return systemPath.socketOptions(address, signal);
      },
    };
    const transport = new TlsTransport({ path, material: () => material });
    const connecting = rejection(transport.connect({ engine: engine.address }, never));
    await asked.promise;
    material = { ca: (await createCertificateAuthority()).certificate };
    found.resolve();

    expect(await connecting).to.have.property('code', 'ERR_RSTREAM_TRANSPORT');
  });

  for (const [what, material, code] of [
    ['a certificate without its key', { cert: 'x' }, 'ERR_RSTREAM_MTLS_INCOMPLETE'],
    [
      'a CA that is none',
      { ca: '-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----' },
      'ERR_RSTREAM_TLS_CONFIGURATION',
    ],
  ] as const) {
    it(`refuses ${what} before it looks for anybody`, async () => {
      let asked = 0;
      const path = {
        ...systemPath,
        tunnel: async () => {
          asked += 1;
          return new PassThrough();
        },
      };
      const transport = engine.transport({ material: () => material, path });
      expect(await rejection(transport.connect({ engine: engine.address }, never))).to.have.property(
        'code',
        code,
      );
      expect(asked).to.equal(0);
    });
  }

  it('leaves no way through a proxy open when the material has become unusable meanwhile', async () => {
    let material: TlsMaterial = { ca: engine.ca };
    const way = new PassThrough();
    const path = {
      ...systemPath,
      tunnel: async () => {
        material = { cert: 'x' };
        return way;
      },
    };
    const transport = engine.transport({ material: () => material, path });
    expect(await rejection(transport.connect({ engine: engine.address }, never))).to.have.property(
      'code',
      'ERR_RSTREAM_MTLS_INCOMPLETE',
    );
    expect(way.destroyed).to.equal(true);
  });

  it('stops connecting when told so', async () => {
    const cancel = new AbortController();
    const connecting = engine.transport().connect({ engine: engine.address }, cancel.signal);
    connecting.catch(() => {});
    cancel.abort(new Error('enough'));

    expect(await rejection(connecting)).to.have.property('message', 'enough');
  });

  it('stops in the middle of a handshake, and leaves no socket behind', async () => {
    const silent = await tcpService((socket) => socket.resume());
    const cancel = new AbortController();
    const address = { host: '127.0.0.1', port: silent.port };
    const connecting = rejection(engine.transport().connect({ engine: address }, cancel.signal));
    await eventually('it is connected', () => silent.sockets.size === 1);
    cancel.abort(new Error('enough'));

    expect(await connecting).to.have.property('message', 'enough');
    await eventually('its socket is gone', () => [...silent.sockets].every((socket) => socket.readableEnded));
    await silent.close();
  });

  it('fails when the engine hangs up in the middle of a handshake, and does not offer that ticket again', async () => {
    const rude = await tcpService((socket) => socket.once('data', () => socket.end()));
    let { port } = engine.address;
    const path = { ...systemPath, socketOptions: async () => ({ host: '127.0.0.1', port }) };
    const transport = engine.transport({ path });
    const resumed = async () => {
      const connection = await transport.connect({ engine: engine.address }, never);
      await exchange(connection);
      return socketOf(connection).isSessionReused();
    };
    expect([await resumed(), await resumed()]).to.deep.equal([false, true]);
    port = rude.port;
    expect(await rejection(resumed())).to.have.property('code', 'ERR_RSTREAM_TRANSPORT');
    port = engine.address.port;
    expect([await resumed(), await resumed()]).to.deep.equal([false, true]);
    await rude.close();
  });

  it('closes a connection on which the engine sends what is no TLS', async () => {
    const connection = await engine.transport().connect({ engine: engine.address }, never);
    await exchange(connection);
    const { stream } = connection;
    stream.resume();
    engine.garble();
    await eventually('it is closed', () => stream.closed);
    expect(stream.errored).to.have.property('message').that.contains('bad record type');
  });

  it('refuses an engine that speaks nothing newer than TLS 1.1, even where the system would not', async () => {
    const old = await ScriptedEngine.start({
      maxVersion: 'TLSv1.1',
      minVersion: 'TLSv1',
      ciphers: 'ALL@SECLEVEL=0',
    });
    const { DEFAULT_MIN_VERSION, DEFAULT_CIPHERS } = tls;
    try {
      Object.assign(tls, { DEFAULT_MIN_VERSION: 'TLSv1', DEFAULT_CIPHERS: 'ALL@SECLEVEL=0' });
      const careless = tls.connect({ ...old.address, servername: 'localhost', ca: old.ca });
      await once(careless, 'secureConnect');
      expect(careless.getProtocol()).to.equal('TLSv1.1');
      careless.destroy();
      const error = await rejection(old.transport().connect({ engine: old.address }, never));
      expect(error).to.have.property('code', 'ERR_RSTREAM_TRANSPORT');
    } finally {
      Object.assign(tls, { DEFAULT_MIN_VERSION, DEFAULT_CIPHERS });
      await old.stop();
    }
  });

  it('accepts TLS 1.2', async () => {
    const older = await ScriptedEngine.start({ maxVersion: 'TLSv1.2' });
    try {
      const connection = await older.transport().connect({ engine: older.address }, never);
      expect(socketOf(connection).getProtocol()).to.equal('TLSv1.2');
    } finally {
      await older.stop();
    }
  });

  it('reads into the memory of a sink, pausing when told', async () => {
    const connection = await engine.transport().connect({ engine: engine.address }, never);
    const side = await engine.next();
    const memory = Buffer.alloc(1_024);
    let received = 0;
    let paused = 0;
    connection.readInto({
      buffer: () => memory,
      received: (bytes) => {
        received += bytes;
        paused += 1;
        setImmediate(() => connection.stream.resume());
        return false;
      },
    });
    connection.stream.resume();
    side.stream.end(Buffer.alloc(300_000, 1));
    await once(connection.stream, 'end');

    expect(received).to.equal(300_000);
    expect(paused).to.be.greaterThan(200);
  });

  it('leaves ordinary reading to whoever does not care', async () => {
    const connection = await engine.transport().connect({ engine: engine.address }, never);
    const side = await engine.next();
    const bytes = Buffer.alloc(2_000_000, 'abc');
    side.stream.end(bytes);
    const chunks: Buffer[] = [];
    for await (const chunk of connection.stream) chunks.push(chunk);

    expect(Buffer.concat(chunks).equals(bytes)).to.equal(true);
  });

  it('holds a bounded amount for a reader that does not read', async () => {
    const connection = await engine.transport().connect({ engine: engine.address }, never);
    const side = await engine.next();
    side.stream.write(Buffer.alloc(50_000_000));
    await eventually('the engine is held up', () => side.stream.writableLength > 1_000_000);

    expect(connection.stream.readableLength).to.be.lessThan(256 * 1024);
  });
});
