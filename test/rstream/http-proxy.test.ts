// Conformance cases 95 and 96: ways to the engine through an HTTP proxy, and how a proxy over TLS is verified.

import { once } from 'node:events';
import { createServer } from 'node:net';
import tls from 'node:tls';
import { expect } from 'chai';
import { systemClock } from '../../src/common/clock.ts';
import { createCertificateAuthority } from '../../src/dev-engine/certificate-authority.ts';
import { RstreamError } from '../../src/rstream/errors.ts';
import { parseHttpProxy } from '../../src/rstream/http-proxy.ts';
import { createNetworkPath, type NetworkSettings } from '../../src/rstream/network-path.ts';
import { eventually } from '../support/eventually.ts';
import { ScriptedEngine } from '../support/scripted-engine.ts';
import { ScriptedProxy } from '../support/scripted-proxy.ts';
import { readBytes, rejection } from '../support/streams.ts';
import { tcpService } from '../support/tcp-service.ts';
import { worksOver } from '../support/works-over.ts';

const never = new AbortController().signal;

describe('an HTTP proxy', () => {
  let engine: ScriptedEngine;
  beforeEach(async () => {
    engine = await ScriptedEngine.start();
  });
  afterEach(() => engine.stop());

  const transport = (settings: NetworkSettings) =>
    engine.transport({ path: createNetworkPath(settings, systemClock) });
  const connect = (settings: NetworkSettings) =>
    transport(settings).connect({ engine: engine.address }, never);

  for (const secure of [false, true]) {
    describe(secure ? 'through an HTTPS proxy' : 'through an HTTP proxy', () => {
      let proxy: ScriptedProxy;
      beforeEach(async () => {
        proxy = await ScriptedProxy.start({ secure });
      });
      afterEach(() => proxy.stop());

      const through = (more: object = {}): NetworkSettings => ({
        proxy: { url: proxy.url, ca: proxy.ca, ...more },
      });

      it('case 95: asks with host, headers and credentials, and carries everything', async () => {
        await worksOver(
          engine,
          transport(through({ username: 'agent', password: 'pä:ss', headers: { 'X-Site': 'lab' } })),
        );

        const authority = `localhost:${engine.address.port}`;
        const secret = Buffer.from('agent:pä:ss').toString('base64');
        const expected = [
          `CONNECT ${authority} HTTP/1.1`,
          `Host: ${authority}`,
          'X-Site: lab',
          `Proxy-Authorization: Basic ${secret}`,
        ];
        expect(proxy.requests).to.have.length(2);
        expect(proxy.requests[0]).to.equal(`${expected.join('\r\n')}\r\n\r\n`);
      });

      it('case 95: a 407 is final', async () => {
        proxy.answer = 'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n';
        const error = await rejection(connect(through()));

        expect(error).to.have.property('code', 'ERR_RSTREAM_PROXY');
        expect(error).to.have.property('message', 'the proxy answered 407 Proxy Authentication Required');
        expect(proxy.requests).to.have.length(1);
      });

      it('accepts status 200 only', async () => {
        proxy.answer = 'HTTP/1.1 201 Created\r\n\r\n';
        expect(await rejection(connect(through()))).to.have.property('code', 'ERR_RSTREAM_PROXY');
      });

      it('fails when the proxy hangs up', async () => {
        proxy.answer = '';
        expect(await rejection(connect(through()))).to.have.property(
          'message',
          'the proxy closed the connection',
        );
      });

      it('keeps bytes that come right behind the answer', async () => {
        proxy.answer = 'HTTP/1.1 200 OK\r\n\r\nearly bytes';
        const stream = await createNetworkPath(through(), systemClock).tunnel?.(engine.address, never);
        if (!stream) throw new Error('expected a tunnel');

        expect((await readBytes(stream, 11)).toString()).to.equal('early bytes');
        stream.destroy();
      });

      it('loses a connection whose proxy breaks it off, and nothing else', async () => {
        const { stream } = await connect(through());
        stream.resume().write('half of it');
        await (await engine.next()).text(10);
        proxy.breakOff();
        await eventually('it is lost', () => stream.destroyed);
        expect(stream.errored).to.have.property('code', 'ECONNRESET');
        (await connect(through())).stream.destroy();
      });

      it('loses a connection whose proxy talks garbage, and nothing else', async () => {
        const { stream } = await connect(through());
        stream.resume().write('half of it');
        await (await engine.next()).text(10);
        proxy.garble();
        await eventually('it is lost', () => stream.closed);
        expect(stream.errored).to.have.property('message').that.contains('bad record type');
        (await connect(through())).stream.destroy();
      });

      it('leaves no connection to a proxy that refused', async () => {
        proxy.answer = 'HTTP/1.1 403 Forbidden\r\n\r\n';
        proxy.lingers = true;
        await rejection(connect(through()));
        await eventually('the proxy is left', () => proxy.open === 0);
      });

      it('stops when told so, while it asks and while it waits for the answer', async () => {
        proxy.answer = 'HTTP/1.1 100 Continue\r\n';
        proxy.lingers = true;
        for (const asked of [0, 1]) {
          const cancel = new AbortController();
          const connecting = transport(through()).connect({ engine: engine.address }, cancel.signal);
          connecting.catch(() => {});
          await eventually('it got that far', () => proxy.requests.length === asked);
          cancel.abort(new Error('enough'));
          expect(await rejection(connecting)).to.have.property('message', 'enough');
        }
        await eventually('the proxy is left', () => proxy.open === 0);
      });
    });
  }

  describe('over TLS', () => {
    let proxy: ScriptedProxy;
    let otherCa: string;
    before(async () => {
      otherCa = (await createCertificateAuthority()).certificate;
    });
    beforeEach(async () => {
      proxy = await ScriptedProxy.start({ secure: true });
    });
    afterEach(() => proxy.stop());

    const under = (host: string) => proxy.url.replace('localhost', host);
    const refused = async (settings: NetworkSettings['proxy'], words: RegExp) => {
      const error = await rejection(connect({ proxy: settings }));
      expect(error).to.have.property('code', 'ERR_RSTREAM_PROXY');
      expect(error).to.have.property('message').that.matches(words);
      expect(proxy.requests, 'it was told nothing').to.have.length(0);
    };

    it('is told which name is meant, unless that is an address, and that HTTP follows', async () => {
      await connect({ proxy: { url: proxy.url, ca: proxy.ca } });
      await connect({ proxy: { url: under('127.0.0.1'), ca: proxy.ca } });
      expect(proxy.handshakes).to.deep.equal([
        { serverName: 'localhost', protocol: 'http/1.1' },
        { serverName: false, protocol: 'http/1.1' },
      ]);
    });

    it('is not trusted under another authority', async () => {
      await refused({ url: proxy.url }, /certificate|issuer/);
      await refused({ url: proxy.url, ca: otherCa }, /certificate|issuer/);
    });

    it("is trusted by the system's authorities, but no longer where another was given", async () => {
      const roots = tls.getCACertificates('default');
      try {
        tls.setDefaultCACertificates([...roots, proxy.ca]);
        await refused({ url: proxy.url, ca: otherCa }, /certificate|issuer/);
        (await connect({ proxy: { url: proxy.url } })).stream.destroy();
      } finally {
        tls.setDefaultCACertificates(roots);
      }
    });

    it('is not trusted under another name or address', async () => {
      const named = await ScriptedProxy.start({ secure: true, names: ['proxy.test'] });
      try {
        await refused({ url: named.url, ca: named.ca }, /Host: localhost. is not in the cert's altnames/);
        const url = named.url.replace('localhost', '127.0.0.1');
        await refused({ url, ca: named.ca }, /IP: 127\.0\.0\.1 is not in the cert's list/);
        expect(named.requests).to.have.length(0);
      } finally {
        await named.stop();
      }
    });

    it('must speak TLS 1.2 or newer, even where the system would do with less', async () => {
      const old = await ScriptedProxy.start({ secure: true, maxVersion: 'TLSv1.1' });
      const older = await ScriptedProxy.start({ secure: true, maxVersion: 'TLSv1.2' });
      const { DEFAULT_MIN_VERSION, DEFAULT_CIPHERS } = tls;
      try {
        Object.assign(tls, { DEFAULT_MIN_VERSION: 'TLSv1', DEFAULT_CIPHERS: 'ALL@SECLEVEL=0' });
        await refused({ url: old.url, ca: old.ca }, /protocol version|unsupported protocol/);
        (await connect({ proxy: { url: older.url, ca: older.ca } })).stream.destroy();
      } finally {
        Object.assign(tls, { DEFAULT_MIN_VERSION, DEFAULT_CIPHERS });
        await old.stop();
        await older.stop();
      }
    });

    it('fails when it turns out not to be TLS', async () => {
      const silent = await tcpService((socket) => socket.end('HTTP/1.1 200 OK\r\n\r\n'));
      const error = await rejection(connect({ proxy: { url: `https://127.0.0.1:${silent.port}` } }));
      expect(error).to.have.property('code', 'ERR_RSTREAM_PROXY');
      await silent.close();
    });
  });

  for (const [url, host, port] of [
    ['http://proxy.test', 'proxy.test', 80],
    ['https://proxy.test/', 'proxy.test', 443],
    ['http://[2001:db8::1]:3128', '2001:db8::1', 3128],
  ] as const) {
    it(`at ${url} is ${host}, port ${port}`, () => {
      expect(parseHttpProxy({ url })).to.include({ host, port, secure: url.startsWith('https') });
    });
  }

  it('says which proxy cannot be reached', async () => {
    const unused = createServer().listen(0, '127.0.0.1');
    await once(unused, 'listening');
    const address = unused.address();
    const port = typeof address === 'object' ? address?.port : 0;
    await new Promise((resolve) => unused.close(resolve));

    const error = await rejection(connect({ proxy: { url: `http://127.0.0.1:${port}` } }));
    expect(error).to.have.property('code', 'ERR_RSTREAM_PROXY');
    expect(error).to.have.property('message').that.contains(`127.0.0.1:${port}`);
  });

  for (const [what, proxy] of [
    ['case 96: a user name without password', { url: 'http://p', username: 'u' }],
    ['case 96: a password without user name', { url: 'http://p', password: 'p' }],
    ['user info in the URL', { url: 'http://u:p@p' }],
    ['another scheme', { url: 'socks5://p' }],
    ['a path', { url: 'http://p/x' }],
    ['a query', { url: 'http://p/?x' }],
    ['a fragment', { url: 'http://p/#x' }],
    ['port 0', { url: 'http://p:0' }],
    ['no URL', { url: 'p:8080' }],
    ['credentials as a header', { url: 'http://p', headers: { 'Proxy-Authorization': 'x' } }],
    ...['Authorization', 'COOKIE', 'host', 'Connection', 'content-length', 'transfer-encoding'].map(
      (name) => [`header ${name}`, { url: 'http://p', headers: { [name]: 'x' } }] as const,
    ),
    ['a user name with a colon', { url: 'http://p', username: 'a:b', password: 'p' }],
    ['a line break in a header', { url: 'http://p', headers: { 'X-A': 'a\r\nX-B: b' } }],
    ...['\r', '\n', '\0'].map(
      (end) =>
        [`${JSON.stringify(end)} in a header`, { url: 'http://p', headers: { 'X-A': `a${end}` } }] as const,
    ),
    ['a header name that is none', { url: 'http://p', headers: { 'X A': 'a' } }],
  ] as const) {
    it(`${what} is a configuration error`, () => {
      expect(() => createNetworkPath({ proxy }, systemClock))
        .to.throw(RstreamError)
        .with.property('code', 'ERR_RSTREAM_INVALID_CONFIG');
    });
  }
});
