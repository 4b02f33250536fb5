import { expect } from 'chai';
import { silentLogger } from '../../src/common/logging.ts';
import type { KubeClient } from '../../src/kube/client.ts';
import { ReferenceGrantCache } from '../../src/manager/reference-grant-cache.ts';
import { eventually } from '../support/eventually.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { list, object, status, statusBody, watch } from '../support/scripted-answers.ts';
import { type Answer, ScriptedApiserver } from '../support/scripted-apiserver.ts';

const group = '/apis/gateway.networking.k8s.io';

describe('ReferenceGrantCache', () => {
  let server: ScriptedApiserver;
  let client: KubeClient;
  let clock: ManualClock;
  let cache: ReferenceGrantCache;
  let changes: (string | undefined)[];
  /** Which versions the API server serves; undefined: discovery fails. */
  let served: readonly string[] | undefined;
  let listing: Answer;
  /** What discovery that fails gets. */
  let failure: Answer;

  beforeEach(async () => {
    server = await ScriptedApiserver.start();
    client = server.client();
    clock = new ManualClock();
    changes = [];
    served = ['v1', 'v1beta1'];
    failure = status(500, 'InternalError');
    listing = list(5, [object('tunnels', 3, { namespace: 'shop' })]);
    server.otherwise('watch', watch());
    server.otherwise('list', (response, request) => {
      const version = request.path.slice(group.length + 1);
      if (request.path.endsWith('/referencegrants')) return listing(response, request);
      if (served === undefined) return failure(response, request);
      if (!served.includes(version)) return status(404, 'NotFound')(response, request);
      response.end(JSON.stringify({ resources: [{ name: 'referencegrants' }] }));
    });
    cache = cacheOf([]);
  });

  const cacheOf = (namespaces: readonly string[]) =>
    new ReferenceGrantCache({
      ...{ client, clock, log: silentLogger, namespaces },
      onChange: (namespace) => changes.push(namespace),
    });

  afterEach(async () => {
    await cache.stop();
    await server.stop();
  });

  const names = () => cache.grantsIn('shop')?.map(({ metadata }) => metadata.name);
  const listed = () => server.requests.filter(({ path }) => path.endsWith('/referencegrants'));
  /** Real sockets beside a manual clock. */
  const within = async (ms: number, what: string, condition: () => boolean) => {
    const end = clock.now() + ms;
    await eventually(what, async () => {
      if (clock.now() < end) await clock.advance(Math.min(ms / 40, end - clock.now()));
      return condition();
    });
  };

  for (const [versions, wanted] of [
    [['v1', 'v1beta1'], 'v1'],
    [['v1beta1'], 'v1beta1'],
    [['v1'], 'v1'],
  ] as const) {
    it(`reads ${wanted} where ${versions.join(' and ')} are served`, async () => {
      served = versions;
      cache.start();
      await eventually('the grant is known', () => names()?.includes('tunnels'));
      expect(listed()[0]?.path).to.equal(`${group}/${wanted}/referencegrants`);
      expect(names()).to.deep.equal(['tunnels']);
      expect(cache.grantsIn('elsewhere')).to.deep.equal([]);
    });
  }

  it('knows that there are none where no version is served, and finds one that is installed later', async () => {
    served = [];
    cache.start();
    await eventually('it is known', () => cache.grantsIn('shop') !== undefined);
    expect(names()).to.deep.equal([]);
    expect(changes).to.deep.equal([undefined]);

    served = ['v1'];
    await within(5 * 60_000, 'the grant is known', () => names()?.includes('tunnels') === true);
    await eventually('dependants are told', () => changes.includes('shop') && changes.at(-1) === undefined);
  });

  it('says once why discovery fails when that lasts, and asks again at growing intervals', async () => {
    served = undefined;
    cache.start();
    await within(9000, 'it has asked for a while', () => clock.now() >= 9000 && server.requests.length > 2);
    expect([cache.trouble('shop'), changes]).to.deep.equal([undefined, []]);
    await within(10 * 60_000, 'it has asked for ten minutes', () => clock.now() >= 10 * 60_000);
    expect(cache.grantsIn('shop')).to.equal(undefined);
    expect([cache.trouble('shop'), changes]).to.deep.equal(['scripted 500', [undefined]]);
    expect(server.requests.length).to.be.within(8, 30);
    failure = status(500, 'InternalError', { message: 'other words' });
    await within(2 * 60_000, 'it has asked again', () => clock.now() >= 12 * 60_000);
    expect([cache.trouble('shop'), changes]).to.deep.equal(['scripted 500', [undefined]]);

    served = [];
    await within(60_000, 'it is known', () => cache.grantsIn('shop') !== undefined);
    expect([cache.trouble('shop'), changes]).to.deep.equal([undefined, [undefined, undefined]]);
  });

  describe('that the API server fails to list', () => {
    const long = 'z'.repeat(1000);
    const failing = () => {
      listing = status(500, 'InternalError', { message: long });
      cache.start();
    };

    it('says once why, when that lasts, until they are known', async () => {
      const listable = listing;
      failing();
      await within(9000, 'it has tried', () => clock.now() >= 9000 && listed().length > 2);
      expect([cache.trouble('shop'), changes]).to.deep.equal([undefined, []]);
      await within(120_000, 'it has tried for long', () => clock.now() >= 120_000);
      const said = long.slice(0, 500);
      expect([cache.trouble('shop'), changes]).to.deep.equal([said, [undefined]]);
      expect(cache.missingRight('shop')).to.equal(undefined);

      listing = listable;
      await within(60_000, 'the grant is known', () => cache.trouble('shop') === undefined);
      expect(names()).to.deep.equal(['tunnels']);
      expect(changes.slice(1)).to.deep.equal(['shop', undefined]);
      server.cut();
      listing = status(500, 'InternalError');
      server.otherwise('watch', status(500, 'InternalError'));
      await within(300_000, 'it fails for long', () => clock.now() >= 300_000);
      expect(cache.trouble('shop'), 'what was listed once stays known').to.equal(undefined);
    });

    it('does not count how long they could not be discovered', async () => {
      [served, listing] = [undefined, status(500, 'InternalError')];
      cache.start();
      await within(60_000, 'discovery has failed for long', () => cache.trouble('shop') !== undefined);
      served = ['v1'];
      await within(60_000, 'it has listed', () => listed().length > 0);
      expect(cache.trouble('shop')).to.equal(undefined);
      await within(60_000, 'it is told', () => cache.trouble('shop') !== undefined);
    });

    it('says instead which right is missing, when that is it', async () => {
      failing();
      await within(60_000, 'it is told', () => cache.trouble('shop') !== undefined);
      listing = status(403, 'Forbidden');
      await within(60_000, 'it is told', () => cache.missingRight('shop') !== undefined);
      expect(cache.trouble('shop')).to.equal(undefined);
    });

    it('says so of the namespaces where that is so', async () => {
      await cache.stop();
      cache = cacheOf(['shop', 'broken']);
      const open = listing;
      listing = (response, request) =>
        (request.path.includes('/broken/') ? status(500, 'InternalError') : open)(response, request);
      cache.start();
      await within(60_000, 'it is told', () => cache.trouble('broken') !== undefined);
      expect(cache.trouble('shop')).to.equal(undefined);
      expect(names()).to.deep.equal(['tunnels']);
    });
  });

  it('says which right is missing while grants may not be listed, until they may', async () => {
    listing = status(403, 'Forbidden');
    cache.start();
    await eventually('it has tried', () => changes.length > 0);
    expect(cache.grantsIn('shop')).to.equal(undefined);
    expect(cache.missingRight('shop')).to.equal(
      'list and watch referencegrants.gateway.networking.k8s.io in the whole cluster',
    );

    listing = list(5, [object('tunnels', 3, { namespace: 'shop' })]);
    await within(60_000, 'the grant is known', () => cache.missingRight('shop') === undefined);
    expect(names()).to.deep.equal(['tunnels']);
    const told = changes.length;
    await clock.advance(60_000);
    expect(changes.length, 'nothing changes any more').to.equal(told);
  });

  it('notices when grants that may not be listed are served no more', async () => {
    listing = status(403, 'Forbidden');
    cache.start();
    await eventually('it has tried', () => listed().length > 0);
    served = [];
    await within(12 * 60_000, 'it is known', () => cache.grantsIn('shop') !== undefined);
    expect(names()).to.deep.equal([]);
    expect(cache.missingRight('shop')).to.equal(undefined);
  });

  it('knows the grants of the namespaces where it may list them', async () => {
    await cache.stop();
    cache = cacheOf(['shop', 'closed']);
    const open = listing;
    listing = (response, request) =>
      (request.path.includes('/closed/') ? status(403, 'Forbidden') : open)(response, request);
    cache.start();
    await eventually('both have answered', () => changes.includes('shop') && changes.includes('closed'));
    expect(names()).to.deep.equal(['tunnels']);
    expect(cache.missingRight('shop')).to.equal(undefined);
    expect(cache.grantsIn('closed')).to.equal(undefined);
    expect(cache.missingRight('closed')).to.include('in namespace "closed"');
  });

  it('says so while it may list grants and not watch them, steadily', async () => {
    server.otherwise('watch', status(403, 'Forbidden'));
    cache.start();
    await eventually('the watch was refused', () => cache.missingRight('shop') !== undefined);
    const told = changes.length;
    await within(5 * 60_000, 'it has listed again', () => listed().length > 8);
    expect(names()).to.deep.equal(['tunnels']);
    expect(changes.length).to.equal(told);
  });

  it('says which right is missing while it may not even discover them', async () => {
    [served, failure] = [undefined, status(403, 'Forbidden')];
    cache.start();
    await eventually('it has tried', () => changes.length > 0);
    expect(cache.missingRight('shop')).to.equal(`get ${group}`);
    served = ['v1'];
    await within(60_000, 'the grant is known', () => names()?.includes('tunnels') === true);
    expect(cache.missingRight('shop')).to.equal(undefined);
  });

  it('keeps the grants it knows when one discovery does not find the API, however often', async () => {
    cache.start();
    await eventually('the grant is known', () => names()?.includes('tunnels'));
    let missing = 0;
    server.otherwise('list', (response, request) => {
      if (request.path.endsWith('/referencegrants')) return listing(response, request);
      missing += 1;
      if (missing > 2) return response.end(JSON.stringify({ resources: [{ name: 'referencegrants' }] }));
      response.writeHead(404);
      return response.end(JSON.stringify(statusBody(404, 'NotFound')));
    });
    for (let time = 0; time < 3; time += 1) {
      missing = 0;
      await within(12 * 60_000, 'it has looked again', () => missing > 2);
      expect(names()).to.deep.equal(['tunnels']);
    }
  });
});
