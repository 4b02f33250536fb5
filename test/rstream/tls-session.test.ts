import { once } from 'node:events';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { expect } from 'chai';
import { withoutCertificate } from '../../src/rstream/tls-session.ts';
import { ScriptedEngine } from '../support/scripted-engine.ts';

describe('withoutCertificate', () => {
  let engine: ScriptedEngine;
  const sockets: TLSSocket[] = [];
  beforeEach(async () => {
    engine = await ScriptedEngine.start();
  });
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await engine.stop();
  });

  const open = async (options: ConnectionOptions = {}) => {
    const { host, port } = engine.address;
    const socket = connect({ host, port, servername: host, ca: engine.ca, ...options });
    sockets.push(socket);
    const given = once(socket, 'session').then(([session]) => session as Buffer);
    given.catch(() => {});
    await once(socket, 'secureConnect');
    socket.resume();
    return { socket, given };
  };

  it('leaves what resumes the session', async () => {
    const { socket, given } = await open();
    const session = await given;
    const certificate = socket.getPeerX509Certificate()?.raw;
    if (!certificate) throw new Error('expected a certificate');
    const kept = withoutCertificate(session);
    expect(session.includes(certificate)).to.equal(true);
    expect(kept.includes(certificate)).to.equal(false);
    expect(kept.length).to.be.lessThan(session.length - certificate.length);

    const { socket: resumed } = await open({ session: kept });
    expect(resumed.isSessionReused()).to.equal(true);
    expect(resumed.authorized).to.equal(true);
    expect(resumed.getPeerX509Certificate()).to.equal(undefined);
  });

  it('takes nothing from a session of TLS 1.2, which Node would not accept', async () => {
    const session = await (await open({ maxVersion: 'TLSv1.2' })).given;
    expect(withoutCertificate(session)).to.equal(session);
  });

  it('takes nothing from what it does not understand', async () => {
    const session = await (await open()).given;
    for (let length = 0; length < session.length; length += 1) {
      const cut = session.subarray(0, length);
      expect(withoutCertificate(cut)).to.equal(cut);
    }
    const longer = Buffer.concat([session, Buffer.alloc(1)]);
    expect(withoutCertificate(longer)).to.equal(longer);
  });
});
