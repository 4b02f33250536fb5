import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { expect } from 'chai';
import { parseCidr } from '../../src/manager/address-policy.ts';
import {
  type ControlPlaneOptions,
  controlPlaneClient,
  type ProxyEnvironment,
  parseRetryAfter,
  type ResolveOutcome,
  type ResolveRequest,
} from '../../src/manager/control-plane.ts';
import { serverCertificate } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { answer, project, ScriptedControlPlane } from '../support/scripted-control-plane.ts';
import { ScriptedProxy } from '../support/scripted-proxy.ts';

describe('the control-plane client', () => {
  let plane: ScriptedControlPlane;
  beforeEach(async () => {
    plane = await ScriptedControlPlane.start();
  });
  afterEach(async () => await plane.stop());

  const ask = async (
    more: Partial<ResolveRequest> = {},
    options: Partial<ControlPlaneOptions> = {},
  ): Promise<ResolveOutcome> => {
    const resolve = controlPlaneClient({
      allowInsecure: true,
      allowCidrs: [parseCidr('127.0.0.0/8')],
      ...options,
    });
    const base = { apiUrl: plane.url, project: { endpoint: 'ab12cd34' }, token: 'token-canary' };
    return await resolve({ ...base, signal: AbortSignal.timeout(10_000), ...more });
  };
  const failureOf = (outcome: ResolveOutcome) => {
    if (!('failure' in outcome)) throw new Error('it was resolved');
    return outcome.failure;
  };

  it('case 98: resolves a project by endpoint with a Bearer token', async () => {
    const outcome = await ask();

    expect(outcome).to.deep.equal({
      project: { id: 'p-1', endpoint: 'ab12cd34', engine: 'ab12cd34.edge.example.com:8443' },
    });
    expect(plane.requests).to.have.length(1);
    expect(plane.requests[0]).to.include({ method: 'GET', path: '/api/projects/tunnels/resolve/ab12cd34' });
    expect(plane.requests[0]?.headers.authorization).to.equal('Bearer token-canary');
  });

  it('resolves by id, under a base path, and sends the custom headers', async () => {
    const headers = new Map([
      ['X-Gate', 'open'],
      ['Authorization', 'never'],
    ]);
    await ask({ apiUrl: `${plane.url}/base//`, project: { id: 'a b%' }, headers });

    expect(plane.requests[0]?.path).to.equal('/base/api/projects/tunnels/a%20b%25');
    expect(plane.requests[0]?.headers).to.include({ 'x-gate': 'open', authorization: 'Bearer token-canary' });
    expect(plane.requests[0]?.headers.host).to.equal(`127.0.0.1:${plane.port}`);
  });

  describe('case 99: a region', () => {
    it('picks the one endpoint of that region, ignoring case and blanks', async () => {
      const outcome = await ask({ region: ' EU-West-3 ' });
      expect(outcome).to.have.nested.property('project.engine', 'ab12cd34.eu-west-3.edge.example.com:443');
    });

    it('that is not there is unavailable, and the sentence lists the others', async () => {
      const failure = failureOf(await ask({ region: 'mars-1' }));
      expect(failure).to.include({ reason: 'RegionUnavailable', code: 'ERR_RSTREAM_REGION_UNAVAILABLE' });
      expect(failure.message).to.include('eu-west-3, us-east-1');
    });

    it('that is there twice is ambiguous', async () => {
      const failure = failureOf(await ask({ region: 'us-east-1' }));
      expect(failure).to.include({ reason: 'RegionUnavailable', code: 'ERR_RSTREAM_REGION_AMBIGUOUS' });
    });
  });

  describe('case 101: an answer that is not a project', () => {
    it('is an API error with status and body', async () => {
      plane.answer = answer(500, 'secret details');
      const failure = failureOf(await ask());
      expect(failure).to.include({ code: 'ERR_RSTREAM_API_HTTP', status: 500, body: 'secret details' });
      expect(failure.message).to.not.include('secret details');
    });

    it('is never a redirect that is followed', async () => {
      const canary = await ScriptedControlPlane.start();
      try {
        plane.answer = answer(302, '', { location: `${canary.url}/steal` });
        expect(failureOf(await ask())).to.include({ reason: 'ControlPlaneUnavailable', status: 302 });
        expect(canary.requests).to.deep.equal([]);
      } finally {
        await canary.stop();
      }
    });
  });

  for (const [status, reason] of [
    [401, 'Unauthorized'],
    [403, 'Forbidden'],
    [404, 'ProjectNotFound'],
    [429, 'ControlPlaneUnavailable'],
    [503, 'ControlPlaneUnavailable'],
  ] as const) {
    it(`turns ${status} into ${reason}`, async () => {
      plane.answer = answer(status, {}, { 'retry-after': '7' });
      expect(failureOf(await ask())).to.include({ reason, status, retryAfterMs: 7000 });
    });
  }

  for (const [what, body] of [
    ['text', 'hello'],
    ['a list', []],
    ['null', 'null'],
    ['no endpoint', { domain: 'x.example' }],
    ['a port out of range', { ...project, enginePort: 70_000 }],
    ['a domain that is none', { ...project, domain: 'x/../y' }],
    ['an endpoint that is none', { ...project, endpoint: 'a.b@c' }],
    ['a body of more than 64 KiB', JSON.stringify(project) + ' '.repeat(64 * 1024)],
  ] as const) {
    it(`calls ${what} unavailable`, async () => {
      plane.answer = answer(200, body);
      expect(failureOf(await ask()).reason).to.equal('ControlPlaneUnavailable');
    });
  }

  it('says in words why it could not be asked, and where to look', async () => {
    const unknown = Object.assign(new Error('x'), { code: 'ENOTFOUND' });
    const nameless = {
      resolveAll: (_: string, __: object, callback: (error: Error, found: []) => void) =>
        callback(unknown, []),
    };
    const apiUrl = `http://nowhere.example:${plane.port}`;
    expect(failureOf(await ask({ apiUrl }, nameless)).message).to.equal(
      'the control plane at nowhere.example could not be asked: no such name (ENOTFOUND); check spec.apiURL and the way there',
    );
    const closed = `http://127.0.0.1:${await freePort()}`;
    expect(failureOf(await ask({ apiUrl: closed })).message).to.include(
      'it refuses connections (ECONNREFUSED)',
    );
    plane.answer = (response) => response.destroy();
    expect(failureOf(await ask()).message).to.include('ECONNRESET');
  });

  it('falls back to url when a project has no domain', async () => {
    plane.answer = answer(200, { endpoint: 'ab12cd34', url: 'ab12cd34.old.example.com' });
    expect(await ask()).to.have.nested.property('project.engine', 'ab12cd34.old.example.com:443');
  });

  it('takes into the project only what can name one: its status shows that to people', async () => {
    const url = 'ab12cd34.old.example.com';
    for (const [id, endpoint] of [
      ['x'.repeat(254), 'y'.repeat(64)],
      ['see https://evil.example', 'see https://evil.example'],
      ['a\nb', 'a.b@c'],
      ['', ''],
    ]) {
      plane.answer = answer(200, { id, endpoint, url });
      expect(await ask()).to.deep.equal({
        project: { id: undefined, endpoint: undefined, engine: 'ab12cd34.old.example.com:443' },
      });
    }
  });

  for (const [what, silent] of [
    ['silence', () => {}],
    ['an answer that never ends', (response: ServerResponse) => void response.writeHead(200).write('{')],
  ] as const) {
    it(`gives up on ${what} after 15 s`, async () => {
      plane.answer = silent;
      const clock = new ManualClock();
      const asking = ask({}, { clock });
      await eventually('it is asked', () => plane.requests.length === 1);
      await clock.advance(14_999);
      expect(clock.pending).to.equal(1);
      await clock.advance(1);
      expect(failureOf(await asking).message).to.include('no answer in time');
    });
  }

  it('refuses a token that no header can carry', async () => {
    expect(failureOf(await ask({ token: 'a\nb' })).reason).to.equal('InvalidSpec');
    expect(plane.requests).to.deep.equal([]);
  });

  describe('refuses to reach inside', () => {
    const refused = async (apiUrl: string, options: Partial<ControlPlaneOptions> = {}) => {
      const failure = failureOf(await ask({ apiUrl }, { allowCidrs: [], ...options }));
      expect(failure).to.include({ reason: 'PolicyDenied', code: 'ERR_MANAGER_ADDRESS_REFUSED' });
      expect(plane.requests).to.deep.equal([]);
    };
    const named = (...addresses: string[]): Partial<ControlPlaneOptions> => ({
      resolveAll: (_, __, callback) =>
        callback(
          null,
          addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
        ),
    });

    for (const host of [
      '127.0.0.1',
      '2130706433',
      '0x7f.1',
      '0.0.0.0',
      '10.1.2.3',
      '172.16.0.1',
      '192.168.1.1',
      '169.254.169.254',
      '100.100.100.200',
      '168.63.129.16',
      '[::1]',
      '[::ffff:127.0.0.1]',
      '[::ffff:a9fe:a9fe]',
      '[64:ff9b::7f00:1]',
      '[fd00:ec2::254]',
      '[fe80::1]',
      '[::]',
    ]) {
      it(`by ${host}`, async () => await refused(`http://${host}:${plane.port}`));
    }

    it('by a name that resolves there', async () => {
      await refused(`http://rebind.example:${plane.port}`, named('127.0.0.1'));
      await refused(`http://rebind.example:${plane.port}`, named('93.184.216.34', '127.0.0.1'));
      await refused(`http://rebind.example:${plane.port}`, named('::ffff:10.0.0.1'));
      await refused(`http://localhost:${plane.port}`);
    });

    it('and connects to the address that was judged, not to a later answer', async () => {
      let asked = 0;
      const outcome = await ask(
        { apiUrl: `http://rebind.example:${plane.port}` },
        {
          resolveAll: (_, __, callback) => {
            asked += 1;
            callback(null, [{ address: asked === 1 ? '127.0.0.1' : '10.0.0.1', family: 4 }]);
          },
        },
      );
      expect(outcome).to.have.property('project');
      expect(asked).to.equal(1);
    });
  });

  describe('refuses a URL', () => {
    for (const [apiUrl, reason] of [
      ['ftp://x.example', 'InvalidSpec'],
      ['not a url', 'InvalidSpec'],
      ['https://user:pw@x.example', 'InvalidSpec'],
      ['https://x.example?q=1', 'InvalidSpec'],
      ['https://x.example#f', 'InvalidSpec'],
      ['https://x.example?', 'InvalidSpec'],
      ['https://x.example#', 'InvalidSpec'],
      ['http://x.example', 'PolicyDenied'],
    ] as const) {
      it(apiUrl, async () => {
        const failure = failureOf(await ask({ apiUrl }, { allowInsecure: false }));
        expect(failure.reason).to.equal(reason);
        expect(failure.message).to.not.include('pw');
      });
    }

    for (const endpoint of ['.', '..', 'a/b', '/', ' ', '\ud800']) {
      it(`with endpoint ${JSON.stringify(endpoint)}`, async () => {
        expect(failureOf(await ask({ project: { endpoint } })).reason).to.equal('InvalidSpec');
        expect(plane.requests).to.deep.equal([]);
      });
    }
  });

  it('reads Retry-After as seconds and as a date, at most an hour', () => {
    const now = new Date('2026-01-01T00:00:00Z');
    expect(parseRetryAfter('5', now)).to.equal(5000);
    expect(parseRetryAfter('Thu, 01 Jan 2026 00:00:30 GMT', now)).to.equal(30_000);
    expect(parseRetryAfter('999999', now)).to.equal(3_600_000);
    expect(parseRetryAfter('soon', now)).to.equal(undefined);
    expect(parseRetryAfter(undefined, now)).to.equal(undefined);
  });
});

describe('the control-plane client behind a proxy', () => {
  const trusted = getCACertificates('default');
  let proxy: ScriptedProxy;
  let plane: Server;
  let asked: string[];
  beforeEach(async () => {
    asked = [];
    const { ca, cert, key } = await serverCertificate();
    setDefaultCACertificates([...trusted, ca]);
    plane = createServer({ cert, key }, (request, response) => {
      asked.push(request.url ?? '');
      answer(200, project)(response);
    }).listen(0, '127.0.0.1');
    await once(plane, 'listening');
    proxy = await ScriptedProxy.start();
    proxy.target = { host: '127.0.0.1', port: (plane.address() as AddressInfo).port };
  });
  afterEach(async () => {
    setDefaultCACertificates(trusted);
    await proxy.stop();
    plane.closeAllConnections();
    await new Promise((resolve) => plane.close(resolve));
  });

  const ask = async (proxies: ProxyEnvironment, apiUrl = 'https://localhost:7443') => {
    const resolve = controlPlaneClient({ allowInsecure: false, allowCidrs: [], proxies });
    const request = { apiUrl, project: { endpoint: 'ab12cd34' }, token: 'token-canary' };
    return await resolve({ ...request, signal: AbortSignal.timeout(10_000) });
  };

  it('asks through it, and lets it resolve the name', async () => {
    expect(await ask({ HTTPS_PROXY: proxy.url })).to.have.nested.property('project.id', 'p-1');

    expect(proxy.requests).to.have.length(1);
    expect(proxy.requests[0]).to.match(/^CONNECT localhost:7443 /);
    expect(proxy.requests[0]).not.to.contain('token-canary');
    expect(asked).to.have.length(1);
  });

  it('says so when the certificate is not trusted', async () => {
    setDefaultCACertificates(trusted);
    expect(await ask({ HTTPS_PROXY: proxy.url }))
      .to.have.nested.property('failure.message')
      .that.includes('its certificate is not trusted');
    expect(asked).to.deep.equal([]);
  });

  it('asks hosts of NO_PROXY directly, and judges their addresses', async () => {
    const outcome = await ask({ HTTPS_PROXY: proxy.url, NO_PROXY: 'localhost' });

    expect(outcome).to.have.nested.property('failure.reason', 'PolicyDenied');
    expect(proxy.requests).to.deep.equal([]);
  });

  it('refuses literal addresses all the same', async () => {
    const outcome = await ask({ HTTPS_PROXY: proxy.url }, 'https://169.254.169.254');

    expect(outcome).to.have.nested.property('failure.reason', 'PolicyDenied');
    expect(proxy.requests).to.deep.equal([]);
  });
});
