// Ways through tinyproxy, a real HTTP proxy: control channel, dial-backs and their half-close, plain and over TLS.

import { once } from 'node:events';
import { expect } from 'chai';
import { systemClock } from '../../src/common/clock.ts';
import type { HttpProxySettings } from '../../src/rstream/http-proxy.ts';
import { createNetworkPath } from '../../src/rstream/network-path.ts';
import { openTunnel, ScriptedEngine } from '../support/scripted-engine.ts';
import { acceptStream, readBytes, rejection } from '../support/streams.ts';
import { Tinyproxy } from '../support/tinyproxy.ts';

const never = new AbortController().signal;

describe('a real proxy', () => {
  let engine: ScriptedEngine;
  const proxies: Tinyproxy[] = [];
  beforeEach(async () => {
    engine = await ScriptedEngine.start();
  });
  afterEach(async () => {
    await engine.stop();
    for (const proxy of proxies.splice(0)) await proxy.stop();
  });

  async function started(options: Parameters<typeof Tinyproxy.start>[0] = {}): Promise<Tinyproxy> {
    const proxy = await Tinyproxy.start(options);
    proxies.push(proxy);
    return proxy;
  }
  const transport = (proxy: HttpProxySettings) =>
    engine.transport({ path: createNetworkPath({ proxy }, systemClock) });

  for (const secure of [false, true]) {
    it(`carries everything ${secure ? 'over TLS' : 'in plain'}, with credentials and headers`, async () => {
      const credentials = { username: 'agent', password: 'secret' };
      const proxy = await started({ secure, credentials });
      const settings = { url: proxy.url, ca: proxy.ca, ...credentials, headers: { 'X-Site': 'lab' } };
      const opened = await engine.open({ transport: transport(settings) });
      const { dialled, stream } = await acceptStream(engine, opened, await openTunnel(opened));
      const ours = stream.connection.stream;
      const bulk = Buffer.alloc(1_000_000, 'bulk');
      ours.write(bulk);
      expect((await dialled.bytes(bulk.length)).equals(bulk)).to.equal(true);
      dialled.raw('to the agent');
      expect(String(await readBytes(ours, 12))).to.equal('to the agent');
      const closed = once(ours, 'close');
      ours.resume();
      dialled.stream.end();
      ours.end();
      await closed;
      expect(proxy.log).to.contain(`CONNECT localhost:${engine.address.port} HTTP/1.1`);
    });
  }

  it('refuses wrong credentials and none, and is asked once', async () => {
    const proxy = await started({ credentials: { username: 'agent', password: 'secret' } });
    for (const more of [{}, { username: 'agent', password: 'wrong' }]) {
      const connecting = transport({ url: proxy.url, ...more }).connect({ engine: engine.address }, never);
      const error = await rejection(connecting);
      expect(error).to.have.property('code', 'ERR_RSTREAM_PROXY');
      expect(error)
        .to.have.property('message')
        .that.matches(/^the proxy answered 40[17] /);
    }
    expect(proxy.log.match(/CONNECT localhost/g)).to.have.length(2);
  });

  it('refuses ports it does not tunnel to', async () => {
    const proxy = await started({ connectPorts: [1] });
    const connecting = transport({ url: proxy.url }).connect({ engine: engine.address }, never);
    expect(await rejection(connecting))
      .to.have.property('message')
      .that.contains('the proxy answered 403');
  });
});
