import { expect } from 'chai';
import { Counter, Registry } from 'prom-client';
import {
  type HealthServer,
  type HealthServerOptions,
  startHealthServer,
} from '../../src/common/health-server.ts';

describe('health server', () => {
  let server: HealthServer | undefined;

  afterEach(async () => {
    await server?.close();
    server = undefined;
  });

  async function start(options: Omit<HealthServerOptions, 'bindAddress' | 'flag'>) {
    server = await startHealthServer({ bindAddress: '127.0.0.1:0', flag: '--health', ...options });
    const { port } = server;
    return (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${port}${path}`, init);
  }

  it('answers 200 while a check is silent, and 503 with its reason', async () => {
    let reason: string | undefined;
    const get = await start({ healthz: () => undefined, readyz: () => reason });

    expect((await get('/healthz')).status).to.equal(200);
    expect((await get('/readyz')).status).to.equal(200);

    reason = 'the tunnel is not open yet';
    const response = await get('/readyz?verbose');
    expect(response.status).to.equal(503);
    expect(await response.text()).to.equal('the tunnel is not open yet\n');
  });

  it('serves metrics in the exposition format', async () => {
    const metrics = new Registry();
    new Counter({ name: 'things_total', help: 'Things.', registers: [metrics] }).inc(3);
    const get = await start({ metrics });

    const response = await get('/metrics');
    expect(response.headers.get('content-type')).to.match(/^text\/plain/);
    expect(await response.text()).to.contain('things_total 3');
  });

  it('answers 404 for what it was not given and 405 for other methods', async () => {
    const get = await start({ healthz: () => undefined });

    expect((await get('/metrics')).status).to.equal(404);
    expect((await get('/healthz', { method: 'POST' })).status).to.equal(405);
  });

  it('answers 500 when a check throws', async () => {
    const get = await start({
      healthz: () => {
        throw new Error('broken check');
      },
    });

    expect((await get('/healthz')).status).to.equal(500);
  });

  it('says which flag to change when its address is taken', async () => {
    const get = await start({ healthz: () => undefined });
    expect((await get('/healthz')).status).to.equal(200);

    const bindAddress = `127.0.0.1:${server?.port}`;
    const again = await startHealthServer({ bindAddress, flag: '--health' }).catch((error: unknown) => error);
    expect(again).to.have.property('code', 'ERR_LISTEN');
    expect(again).to.have.property('message').that.includes(`--health ${bindAddress}: another process`);
  });
});
