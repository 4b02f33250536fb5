// What tickets and material do to the options of a connection, seen at a real engine.

import { once } from 'node:events';
import tls, { connect, type TLSSocket } from 'node:tls';
import { expect } from 'chai';
import { createCertificateAuthority } from '../../src/dev-engine/certificate-authority.ts';
import { TlsContext, type TlsMaterial } from '../../src/rstream/tls-options.ts';
import type { ConnectTarget } from '../../src/rstream/transport.ts';
import { testAuthority } from '../support/certificates.ts';
import { ScriptedEngine } from '../support/scripted-engine.ts';
import { rejection } from '../support/streams.ts';

const never = new AbortController().signal;

describe('TlsContext', () => {
  let engine: ScriptedEngine;
  let sockets: TLSSocket[];
  beforeEach(async () => {
    engine = await ScriptedEngine.start();
    sockets = [];
  });
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    await engine.stop();
  });

  const target = (host = 'localhost'): ConnectTarget => ({ engine: { ...engine.address, host } });
  const begin = (context: TlsContext) => {
    const socket = connect({ ...context.options(target()), port: engine.address.port });
    sockets.push(socket);
    return socket;
  };

  it('keeps 64 tickets, and drops the oldest for the next', async () => {
    const material = { ca: engine.ca };
    const context = new TlsContext({ material: () => material });
    const targets = Array.from({ length: 65 }, (_, number) => target(`engine-${number}.test`));
    const socket = begin(context).setMaxListeners(0);
    for (const each of targets) context.collectTickets(socket, each);
    await once(socket, 'session');

    const kept = targets.filter((each) => context.options(each).session);
    expect(kept).to.deep.equal(targets.slice(1));
  });

  it('offers a ticket at the port it was given at only, and never again once told that it failed', async () => {
    const material = { ca: engine.ca };
    const context = new TlsContext({ material: () => material });
    const socket = begin(context);
    context.collectTickets(socket, target());
    await once(socket, 'session');
    const elsewhere = { engine: { ...engine.address, port: engine.address.port + 1 } };

    expect(context.options(elsewhere).session).to.equal(undefined);
    expect(context.options(target()).session).to.be.instanceOf(Buffer);
    context.forgetTicket(target());
    expect(context.options(target()).session).to.equal(undefined);
  });

  it('keeps no ticket once it is closed', async () => {
    const material = { ca: engine.ca };
    const context = new TlsContext({ material: () => material });
    const socket = begin(context);
    context.collectTickets(socket, target());
    await once(socket, 'session');
    context.close();
    expect(context.options(target()).session).to.equal(undefined);
  });

  it('takes no ticket of a connection that was begun with other material', async () => {
    let material: TlsMaterial = { ca: engine.ca };
    const context = new TlsContext({ material: () => material });
    const socket = begin(context);
    context.collectTickets(socket, target());
    material = { ca: engine.ca };
    context.options(target());
    await once(socket, 'session');
    expect(context.options(target()).session).to.equal(undefined);
  });
});

describe('the certificates of TLS', () => {
  const connecting = (engine: ScriptedEngine, material?: TlsMaterial) =>
    engine.transport({ material: material && (() => material) }).connect({ engine: engine.address }, never);

  it('are those of the system where no CA was given, and no longer where one was', async () => {
    const roots = tls.getCACertificates('default');
    const engine = await ScriptedEngine.start();
    try {
      tls.setDefaultCACertificates([...roots, engine.ca]);
      (await connecting(engine)).stream.destroy();
      const { certificate: ca } = await createCertificateAuthority();
      expect(await rejection(connecting(engine, { ca }))).to.have.property('code', 'ERR_RSTREAM_TRANSPORT');
    } finally {
      tls.setDefaultCACertificates(roots);
      await engine.stop();
    }
  });

  it('include that of the client in every full handshake: dial-backs, refused tickets and renewals too', async () => {
    const engine = await ScriptedEngine.start({ requestCert: true, rejectUnauthorized: false });
    const { certificate: ca, issueClient } = await testAuthority();
    let material: TlsMaterial = { ca, ...(await issueClient('first')) };
    const transport = engine.transport({ material: () => material, clientCertificate: true });
    /** Who the engine sees; it asks nobody who resumes. */
    const seen = async (more: Partial<ConnectTarget> = {}) => {
      const { stream } = await transport.connect({ engine: engine.address, ...more }, never);
      const side = await engine.next();
      stream.write('?');
      side.raw(await side.bytes(1));
      await once(stream, 'data');
      stream.destroy();
      const { stream: theirs } = side;
      if (!(theirs instanceof tls.TLSSocket)) throw new Error('expected a TLS socket');
      return theirs.isSessionReused() ? 'resumed' : theirs.getPeerCertificate().subject?.CN;
    };
    try {
      expect(await seen({ control: true })).to.equal('first');
      expect(await seen()).to.equal('resumed');
      engine.refuseTickets();
      expect(await seen(), 'the ticket is refused').to.equal('first');

      material = { ca, ...(await issueClient('second')) };
      expect(await seen(), 'the certificate is another').to.equal('second');
      engine.refuseTickets();
      expect(await seen(), 'its ticket is refused').to.equal('second');
    } finally {
      transport.close();
      await engine.stop();
    }
  });
});
