import { expect } from 'chai';
import { systemClock } from '../../src/common/clock.ts';
import { silentLogger } from '../../src/common/logging.ts';
import { KubeClient } from '../../src/kube/client.ts';
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

  beforeEach(async () => {
    server = await ScriptedApiserver.start();
    client = new KubeClient({ credentials: server.credentials, clock: systemClock, timeoutMs: 5000 });
    clock = new ManualClock();
    changes = [];
    served = ['v1', 'v1beta1'];
    listing = list(5, [object('tunnels', 3, { namespace: 'shop' })]);
    server.otherwise('watch', watch());
    server.otherwise('list', (response, request) => {
      const version = request.path.slice(group.length + 1);
      if (request.path.endsWith('/referencegrants')) return listing(response, request);
      if (served === undefined) return status(500, 'InternalError')(response, request);
      if (!served.includes(version)) return status(404, 'NotFound')(response, request);
      response.end(JSON.stringify({ resources: [{ name: 'referencegrants' }] }));
    });
    cache = new ReferenceGrantCache({
      ...{ client, clock, log: silentLogger, namespaces: [] },
      onChange: (namespace) => changes.push(namespace),
    });
  });

  afterEach(async () => {
    await cache.stop();
    client.close();
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

  it('says nothing while discovery fails, and asks again at growing intervals', async () => {
    served = undefined;
    cache.start();
    await within(10 * 60_000, 'it has asked for ten minutes', () => clock.now() >= 10 * 60_000);
    expect(cache.grantsIn('shop')).to.equal(undefined);
    expect(changes).to.deep.equal([]);
    expect(server.requests.length).to.be.within(8, 30);

    served = [];
    await within(60_000, 'it is known', () => cache.grantsIn('shop') !== undefined);
  });

  it('says nothing while grants may not be listed, and still notices when they are served no more', async () => {
    listing = status(403, 'Forbidden');
    cache.start();
    await eventually('it has tried', () => listed().length > 0);
    expect(cache.grantsIn('shop')).to.equal(undefined);

    served = [];
    await within(12 * 60_000, 'it is known', () => cache.grantsIn('shop') !== undefined);
    expect(names()).to.deep.equal([]);
  });

  it('keeps the grants it knows when one discovery does not find the API', async () => {
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
    await within(6 * 60_000, 'it has looked again', () => missing > 2);
    expect(names()).to.deep.equal(['tunnels']);
  });
});
