// Conformance cases 95 and 96, and every other way a connection may be told to leave this machine.

import { once } from 'node:events';
import { createServer } from 'node:net';
import { TLSSocket } from 'node:tls';
import { expect } from 'chai';
import { systemClock } from '../../src/common/clock.ts';
import { RstreamError } from '../../src/rstream/errors.ts';
import { createNetworkPath, type NetworkSettings } from '../../src/rstream/network-path.ts';
import { fromZone, ScriptedDns } from '../support/scripted-dns.ts';
import { openTunnel, ScriptedEngine } from '../support/scripted-engine.ts';
import { ScriptedProxy } from '../support/scripted-proxy.ts';
import { acceptStream, readBytes, rejection } from '../support/streams.ts';

const never = new AbortController().signal;

describe('createNetworkPath', () => {
  let engine: ScriptedEngine;
  beforeEach(async () => {
    engine = await ScriptedEngine.start();
  });
  afterEach(() => engine.stop());

  const transport = (settings: NetworkSettings) =>
    engine.transport({ path: createNetworkPath(settings, systemClock) });
  const connect = (settings: NetworkSettings) =>
    transport(settings).connect({ engine: engine.address }, never);
  /** Everything works over this path: control, dial-back, half-close. */
  const works = async (settings: NetworkSettings) => {
    const opened = await engine.open({ transport: transport(settings) });
    const { dialled, stream } = await acceptStream(engine, opened, await openTunnel(opened));
    dialled.stream.end('to the agent');
    const ours = stream.connection.stream;
    expect((await readBytes(ours, 12)).toString()).to.equal('to the agent');
    const ended = once(ours, 'end');
    ours.resume();
    await ended;
    ours.end('to the engine');
    expect((await dialled.toEnd()).toString()).to.equal('to the engine');
    return opened;
  };

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
        await works(through({ username: 'agent', password: 'pä:ss', headers: { 'X-Site': 'lab' } }));

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

      it('stops when told so', async () => {
        const cancel = new AbortController();
        const connecting = transport(through()).connect({ engine: engine.address }, cancel.signal);
        connecting.catch(() => {});
        cancel.abort(new Error('enough'));
        expect(await rejection(connecting)).to.have.property('message', 'enough');
      });
    });
  }

  it('does not trust an HTTPS proxy under another authority', async () => {
    const proxy = await ScriptedProxy.start({ secure: true });
    try {
      expect(await rejection(connect({ proxy: { url: proxy.url } }))).to.have.property(
        'code',
        'ERR_RSTREAM_PROXY',
      );
      expect(proxy.requests).to.have.length(0);
    } finally {
      await proxy.stop();
    }
  });

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
    ['no URL', { url: 'p:8080' }],
    ['credentials as a header', { url: 'http://p', headers: { 'Proxy-Authorization': 'x' } }],
    ...['Authorization', 'COOKIE', 'host', 'Connection', 'content-length', 'transfer-encoding'].map(
      (name) => [`header ${name}`, { url: 'http://p', headers: { [name]: 'x' } }] as const,
    ),
    ['a user name with a colon', { url: 'http://p', username: 'a:b', password: 'p' }],
    ['a line break in a header', { url: 'http://p', headers: { 'X-A': 'a\r\nX-B: b' } }],
    ['a header name that is none', { url: 'http://p', headers: { 'X A': 'a' } }],
  ] as const) {
    it(`${what} is a configuration error`, () => {
      expect(() => createNetworkPath({ proxy }, systemClock))
        .to.throw(RstreamError)
        .with.property('code', 'ERR_RSTREAM_INVALID_CONFIG');
    });
  }

  describe('with a DNS server of its own', () => {
    let dns: ScriptedDns;
    beforeEach(async () => {
      dns = await ScriptedDns.start();
      dns.answer = fromZone({
        'engine.private.test': { A: ['127.0.0.1'] },
        'proxy.private.test': { A: ['127.0.0.1'] },
      });
    });
    afterEach(() => dns.stop());

    const address = () => ({ ...engine.address, host: 'engine.private.test' });
    const settings = (): NetworkSettings => ({ dns: { override: `127.0.0.1:${dns.port}` } });

    it('finds the engine there, and keeps its name for TLS', async () => {
      const connection = transport(settings()).connect({ engine: address() }, never);
      const error = await rejection(connection);
      expect(error)
        .to.have.property('message')
        .that.matches(/altnames|does not match/);

      const named = engine.transport({
        serverName: 'localhost',
        path: createNetworkPath(settings(), systemClock),
      });
      const { stream } = await named.connect({ engine: address() }, never);
      expect(stream instanceof TLSSocket && stream.remoteAddress).to.equal('127.0.0.1');
    });

    it('finds the proxy there too, and hands it an address instead of a name', async () => {
      const proxy = await ScriptedProxy.start();
      try {
        const url = proxy.url.replace('localhost', 'proxy.private.test');
        const path = createNetworkPath({ ...settings(), proxy: { url } }, systemClock);
        const named = engine.transport({ serverName: 'localhost', path });
        await named.connect({ engine: address() }, never);
        expect(proxy.requests[0]).to.contain(`CONNECT 127.0.0.1:${engine.address.port} HTTP/1.1`);
      } finally {
        await proxy.stop();
      }
    });
  });

  it('leaves from the address it is bound to', async () => {
    const { control } = await works({ bind: { mode: 'address', address: '127.0.0.2' } });
    expect(control.stream instanceof TLSSocket && control.stream.remoteAddress).to.equal('127.0.0.2');
  });

  it('leaves from the interface it is bound to', async () => {
    await works({ bind: { mode: 'interface', interface: 'lo' } });
    const error = await rejection(connect({ bind: { mode: 'interface', interface: 'none0' } }));
    expect(error).to.have.property('message').that.contains('no network interface none0');
  });

  it('uses the only family allowed', async () => {
    const { control } = await works({ family: 4 });
    expect(control.stream instanceof TLSSocket && control.stream.remoteFamily).to.equal('IPv4');

    const literal = transport({ family: 6 }).connect(
      { engine: { ...engine.address, host: '127.0.0.1' } },
      never,
    );
    expect(await rejection(literal))
      .to.have.property('message')
      .that.contains('not an IPv6 address');
    // The engine listens on 127.0.0.1 only, which localhost is too.
    expect(await rejection(connect({ family: 6 }))).to.have.property('code', 'ERR_RSTREAM_TRANSPORT');
  });

  it('hands a proxy an address where only one family is allowed: the proxy might choose the other', async () => {
    const proxy = await ScriptedProxy.start();
    try {
      const path = createNetworkPath({ family: 4, proxy: { url: proxy.url } }, systemClock);
      await engine.transport({ serverName: 'localhost', path }).connect({ engine: engine.address }, never);
      expect(proxy.requests[0]).to.contain(`CONNECT 127.0.0.1:${engine.address.port} HTTP/1.1`);
    } finally {
      await proxy.stop();
    }
  });

  it('refuses to bind to an address of the other family', () => {
    expect(() =>
      createNetworkPath({ family: 6, bind: { mode: 'address', address: '127.0.0.1' } }, systemClock),
    )
      .to.throw(RstreamError)
      .with.property('code', 'ERR_RSTREAM_INVALID_CONFIG');
  });
});
