// Every way a connection may be told to leave this machine; proxies have tests of their own.

import { TLSSocket } from 'node:tls';
import { expect } from 'chai';
import { systemClock } from '../../src/common/clock.ts';
import { RstreamError } from '../../src/rstream/errors.ts';
import { createNetworkPath, type NetworkSettings } from '../../src/rstream/network-path.ts';
import { eventually } from '../support/eventually.ts';
import { keepAliveInMs, twoWritesMs } from '../support/kernel-view.ts';
import { fromZone, ScriptedDns } from '../support/scripted-dns.ts';
import { ScriptedEngine } from '../support/scripted-engine.ts';
import { ScriptedProxy } from '../support/scripted-proxy.ts';
import { rejection } from '../support/streams.ts';
import { worksOver } from '../support/works-over.ts';

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
  const works = (settings: NetworkSettings) => worksOver(engine, transport(settings));

  for (const way of ['straight', 'through an HTTP proxy', 'through an HTTPS proxy'] as const) {
    it(`holds no small writes back and looks for a lost peer, ${way}`, async () => {
      const proxy = await ScriptedProxy.start({ secure: way.includes('HTTPS') });
      try {
        const settings = way === 'straight' ? {} : { proxy: { url: proxy.url, ca: proxy.ca } };
        const { stream } = await connect(settings);
        const side = await engine.next();
        expect(await twoWritesMs(stream, side.stream)).to.be.lessThan(20);
        const port = stream instanceof TLSSocket ? stream.localPort : undefined;
        const ms = await eventually('the kernel will look', () => keepAliveInMs(port), { timeoutMs: 10_000 });
        expect(ms).to.be.within(0, 30_000);
      } finally {
        await proxy.stop();
      }
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

    it('tries the next address where one does not answer', async () => {
      dns.answer = fromZone({ 'engine.private.test': { A: ['127.0.0.9', '127.0.0.1'] } });
      const path = createNetworkPath(settings(), systemClock);
      const named = engine.transport({ serverName: 'localhost', path });
      const { stream } = await named.connect({ engine: address() }, never);
      expect(stream instanceof TLSSocket && stream.remoteAddress).to.equal('127.0.0.1');
    });

    for (const [what, more] of [
      ['the only one allowed', { family: 4 }],
      ['that of the address it leaves from', { bind: { mode: 'address', address: '127.0.0.2' } }],
    ] as const) {
      it(`asks for one family where that is ${what}`, async () => {
        const path = createNetworkPath({ ...settings(), ...more }, systemClock);
        expect(await path.resolve(address(), never)).to.include({ address: '127.0.0.1', family: 4 });
        expect(dns.queries.map(({ packet }) => packet.questions?.[0]?.type)).to.deep.equal(['A']);
      });
    }

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

  it('goes to a proxy from the address it is bound to, by the only family allowed', async () => {
    const proxy = await ScriptedProxy.start();
    try {
      const bind = { mode: 'address', address: '127.0.0.2' } as const;
      (await connect({ bind, proxy: { url: proxy.url } })).stream.destroy();
      expect(proxy.askers).to.deep.equal(['127.0.0.2']);
      const byIpv6 = transport({ family: 6, proxy: { url: proxy.url } });
      const error = await rejection(byIpv6.connect({ engine: { ...engine.address, host: '::1' } }, never));
      expect(error).to.have.property('code', 'ERR_RSTREAM_PROXY');
      expect(proxy.askers).to.have.length(1);
    } finally {
      await proxy.stop();
    }
  });

  it('looks at the interface again for each connection', async () => {
    const info = { netmask: '', mac: '', internal: true, cidr: null, family: 'IPv4' } as const;
    const addresses = ['127.0.0.2', '127.0.0.3'];
    const interfaces = () => ({ wan: [{ ...info, address: addresses.shift() ?? '' }] });
    const bind = { mode: 'interface', interface: 'wan' } as const;
    const path = createNetworkPath({ bind }, systemClock, interfaces);
    const transport = engine.transport({ path });
    for (const address of ['127.0.0.2', '127.0.0.3']) {
      const { stream } = await transport.connect({ engine: engine.address }, never);
      expect(stream instanceof TLSSocket && stream.localAddress).to.equal(address);
    }
  });

  it('finds an address for datagrams as it would for a connection', async () => {
    const at = (host: string) => ({ host, port: 443 });
    const bind = { mode: 'address', address: '127.0.0.2' } as const;
    expect(await createNetworkPath({ bind }, systemClock).resolve(at('localhost'), never)).to.deep.equal({
      ...{ address: '127.0.0.1', port: 443, family: 4, localAddress: '127.0.0.2' },
    });
    const path = createNetworkPath({ family: 6 }, systemClock);
    expect(await path.resolve(at('::1'), never)).to.include({ address: '::1', family: 6 });
    // Not everywhere is localhost ::1 too.
    const found = await path.resolve(at('localhost'), never).catch(({ code }) => ({ code }));
    expect(found).to.satisfy((it: object) => !('family' in it) || it.family === 6);
    expect(await rejection(path.resolve(at('x..y'), never))).to.have.property('code', 'ERR_RSTREAM_DNS');
    const aborted = AbortSignal.abort(new Error('enough'));
    expect(await rejection(path.resolve(at('localhost'), aborted))).to.have.property('message', 'enough');
  });

  it('refuses to bind to an address of the other family', () => {
    expect(() =>
      createNetworkPath({ family: 6, bind: { mode: 'address', address: '127.0.0.1' } }, systemClock),
    )
      .to.throw(RstreamError)
      .with.property('code', 'ERR_RSTREAM_INVALID_CONFIG');
  });
});
