import { expect } from 'chai';
import { Registry } from 'prom-client';
import { type Clock, systemClock } from '../../src/common/clock.ts';
import { silentLogger } from '../../src/common/logging.ts';
import type { KubeClient } from '../../src/kube/client.ts';
import { Informer } from '../../src/kube/informer.ts';
import { KubeMetrics } from '../../src/kube/metrics.ts';
import { configMaps } from '../../src/kube/well-known.ts';
import { eventually } from '../support/eventually.ts';
import {
  bookmark,
  brokenWatch,
  closedWatch,
  errorLine,
  garbage,
  gone,
  line,
  list,
  object,
  reset,
  silence,
  status,
  text,
  truncated,
  watch,
} from '../support/scripted-answers.ts';
import { type Answer, ScriptedApiserver } from '../support/scripted-apiserver.ts';

describe('Informer against a faulty API server', () => {
  let server: ScriptedApiserver;
  let client: KubeClient;
  let informer: Informer<{ metadata: { name: string } }>;
  let changes: string[];
  let registry: Registry;

  beforeEach(async () => {
    server = await ScriptedApiserver.start();
    registry = new Registry();
    const metrics = new KubeMetrics(registry);
    client = server.client({ timeoutMs: 800 });
    informer = new Informer({
      client,
      resource: configMaps,
      clock: systemClock,
      log: silentLogger,
      metrics,
      pageSize: 2,
      silenceMs: 500,
      maxBackoffMs: 20,
    });
    changes = [];
    informer.subscribe({
      onAdd: (added) => changes.push(`+${added.metadata.name}`),
      onUpdate: (updated) => changes.push(`~${updated.metadata.name}`),
      onDelete: (deleted) => changes.push(`-${deleted.metadata.name}`),
    });
  });

  afterEach(async () => {
    await informer.stop();
    await server.stop();
  });

  const listed = [object('a', 1), object('b', 2)];

  const listFaults: Record<string, Answer> = {
    'answers 410': gone,
    'answers 429 with Retry-After': status(429, 'TooManyRequests', { retryAfter: 0 }),
    'answers 500': status(500, 'InternalError'),
    'answers 503 in plain text': text(503, 'apiserver is shutting down'),
    'sends garbage': garbage,
    'sends half an answer': truncated,
    'sends a list without a resourceVersion': text(200, '{"metadata":{},"items":[]}'),
    'sends an object without a name': text(200, '{"metadata":{"resourceVersion":"1"},"items":[{}]}'),
    'is silent': silence,
    'resets the connection': reset,
  };

  for (const [fault, answer] of Object.entries(listFaults)) {
    it(`lists again when the list ${fault}`, async () => {
      server.script('list', answer, answer, answer).otherwise('list', list(5, listed));
      informer.start();

      await informer.synced();

      expect(informer.list().map((one) => one.metadata.name)).to.deep.equal(['a', 'b']);
      expect(changes).to.deep.equal(['+a', '+b']);
      expect(informer.failure).to.equal(undefined);
    });
  }

  const watchFaults: Record<string, Answer> = {
    'answers 429 with Retry-After': status(429, 'TooManyRequests', { retryAfter: 0 }),
    'answers 500': status(500, 'InternalError'),
    'answers 503 in plain text': text(503, 'apiserver is shutting down'),
    'sends garbage': closedWatch('<html>\n'),
    'sends an event of unknown type': closedWatch('{"type":"EXPLODED","object":{}}\n'),
    'ends in the middle of a line': closedWatch(line('ADDED', object('c', 6)).slice(0, 40)),
    'breaks in the middle of a line': brokenWatch(line('ADDED', object('c', 6)).slice(0, 40)),
    'falls silent': watch(),
    'answers nothing at all': silence,
    'is closed properly': closedWatch(),
    'resets the connection': reset,
    'sends an ERROR event with 500': closedWatch(errorLine(500, 'InternalError')),
  };

  for (const [fault, answer] of Object.entries(watchFaults)) {
    it(`watches on from the last version when the watch ${fault}`, async () => {
      server.script('list', list(5, listed)).otherwise('list', list(9, [...listed, object('c', 6)]));
      server.script('watch', answer).otherwise('watch', watch(line('ADDED', object('c', 6)), bookmark(7)));
      informer.start();

      await eventually('the event arrives', () => informer.get({ namespace: 'default', name: 'c' }));

      expect(changes).to.deep.equal(['+a', '+b', '+c']);
      const versions = server.seen('watch').map((request) => request.query.get('resourceVersion'));
      expect(versions.slice(0, 2)).to.deep.equal(['5', '5']);
      expect(server.seen('list')).to.have.length(1);
    });
  }

  for (const [how, answer] of Object.entries({
    'an answer': gone,
    'an ERROR event': closedWatch(errorLine(410, 'Expired')),
    'an ERROR event after others': closedWatch(line('ADDED', object('c', 6)), errorLine(410, 'Gone')),
  })) {
    it(`lists again after a 410 in ${how} and reports what happened meanwhile`, async () => {
      server.script('list', list(5, listed)).otherwise('list', list(20, [object('a', 11), object('d', 12)]));
      server.script('watch', answer).otherwise('watch', watch(bookmark(21)));
      informer.start();

      await eventually('the new list is taken over', () => changes.includes('+d'));

      expect(new Set(changes.filter((change) => !change.endsWith('c')))).to.deep.equal(
        new Set(['+a', '+b', '-b', '~a', '+d']),
      );
      expect(informer.list().map((one) => one.metadata.name)).to.have.members(['a', 'd']);
    });
  }

  it('lists again when the same version fails again and again', async () => {
    server.script('list', list(5, listed)).otherwise('list', list(30, []));
    server.script('watch', ...Array(3).fill(closedWatch('garbage\n'))).otherwise('watch', watch());
    informer.start();

    await eventually('everything is gone', () => informer.hasSynced && informer.size === 0);
    expect(changes).to.deep.equal(['+a', '+b', '-a', '-b']);
  });

  it('follows a server that was restored from a backup', async () => {
    server
      .script('list', list(500, [object('a', 400), object('b', 401)]))
      .otherwise('list', list(30, [object('a', 20)]));
    server
      .script('watch', ...Array(3).fill(status(504, 'Timeout')))
      .otherwise('watch', watch(line('MODIFIED', object('a', 31))));
    informer.start();

    await eventually('the new change is known', () => changes.length >= 5);
    expect(changes).to.deep.equal(['+a', '+b', '-b', '~a', '~a']);
    expect(server.seen('watch').at(-1)?.query.get('resourceVersion')).to.equal('30');
  });

  it('keeps the version while nothing can be reached', async () => {
    server.script('list', list(5, listed));
    server.script('watch', ...Array(12).fill(reset)).otherwise('watch', watch(bookmark(6)));
    informer.start();

    await eventually('the watch stands', () => server.seen('watch').length >= 13);
    expect(server.seen('list')).to.have.length(1);
  });

  it('goes on from the last bookmark', async () => {
    server.script('list', list(5, []));
    server
      .script('watch', closedWatch(line('ADDED', object('a', 6)), bookmark(40)))
      .otherwise('watch', watch());
    informer.start();

    await eventually('there is a second watch', () => server.seen('watch').length >= 2);
    expect(server.seen('watch')[1]?.query.get('resourceVersion')).to.equal('40');
    expect(server.seen('watch')[0]?.query.get('allowWatchBookmarks')).to.equal('true');
  });

  it('lists page by page', async () => {
    server.script('list', list(5, listed, 'next'), list(5, [object('c', 3)]));
    informer.start();
    await informer.synced();

    expect(informer.size).to.equal(3);
    expect(server.seen('list').map((request) => request.query.get('continue'))).to.deep.equal([null, 'next']);
    expect(server.seen('list')[0]?.query.get('limit')).to.equal('2');
  });

  it('lists all at once when the continue token has expired', async () => {
    server.script('list', list(5, listed, 'next'), gone, list(8, [object('z', 7)]));
    informer.start();
    await informer.synced();

    expect(informer.list().map((one) => one.metadata.name)).to.deep.equal(['z']);
    expect(server.seen('list')[2]?.query.get('limit')).to.equal(null);
  });

  it('waits as long as Retry-After says', async () => {
    server.script('list', status(429, 'TooManyRequests', { retryAfter: 1 })).otherwise('list', list(5, []));
    const startedAt = performance.now();
    informer.start();
    await informer.synced();

    expect(performance.now() - startedAt).to.be.greaterThan(990);
  });

  it('takes an event split over many writes, multi-byte characters included', async () => {
    const bytes = Buffer.from(line('ADDED', object('ü-日本', 6)));
    server.script('list', list(5, [])).script('watch', (response) => {
      response.writeHead(200);
      const send = (at: number) => {
        if (at >= bytes.length) return;
        response.write(bytes.subarray(at, at + 7), () => setImmediate(send, at + 7));
      };
      send(0);
    });
    informer.start();

    await eventually('it is there', () => changes.length > 0);
    expect(changes).to.deep.equal(['+ü-日本']);
  });

  it('counts why watches were started again', async () => {
    server.script('list', list(5, [])).otherwise('list', list(6, []));
    server.script('watch', gone, reset, closedWatch('x\n'), watch()).otherwise('watch', watch());
    informer.start();

    await eventually('there were five watches', () => server.seen('watch').length >= 5);
    const text = await registry.metrics();
    for (const reason of ['expired', 'broken', 'rejected', 'silent']) {
      expect(text).to.match(
        new RegExp(`reflector_watch_restarts_total\\{name="configmaps",reason="${reason}"\\} 1`),
      );
    }
  });

  describe('its health', () => {
    const stalled = (clock: Clock) =>
      new Informer({
        client,
        resource: configMaps,
        clock,
        log: silentLogger,
        silenceMs: 50,
        maxBackoffMs: 5,
      });
    const later = (ms: number): Clock => ({ ...systemClock, now: () => systemClock.now() + offset * ms });
    let offset: number;
    beforeEach(() => {
      offset = 0;
    });

    it('fails when watches open and stay silent for minutes, and recovers with the first event', async () => {
      server.otherwise('list', list(5, [])).otherwise('watch', watch());
      const stuck = stalled(later(6 * 60_000));
      try {
        stuck.start();
        await eventually('it has tried again', () => server.seen('watch').length >= 5);
        expect(stuck.check()).to.equal(undefined);
        offset = 1;
        await eventually('it says so', () =>
          /^the watch of configmaps is open but has received nothing for 36\d s$/.test(stuck.check() ?? ''),
        );

        server.otherwise('watch', watch(bookmark(6)));
        await eventually('it is well again', () => stuck.check() === undefined);
      } finally {
        await stuck.stop();
      }
    });

    for (const [what, answer] of Object.entries({
      'resets every connection': reset,
      'never answers': silence,
      'answers 503': text(503, 'shutting down'),
    })) {
      it(`does not fail because the server ${what}`, async () => {
        server.otherwise('list', list(5, [])).script('watch', watch()).otherwise('watch', answer);
        const down = new Informer({
          client: server.client({ timeoutMs: 50 }),
          resource: configMaps,
          log: silentLogger,
          silenceMs: 50,
          maxBackoffMs: 5,
          clock: later(6 * 60_000),
        });
        try {
          down.start();
          await eventually('it has tried again', () => server.seen('watch').length >= 4);
          offset = 1;
          const before = server.seen('watch').length;
          await eventually('it tries on', () => server.seen('watch').length >= before + 2);
          expect(down.check()).to.equal(undefined);
        } finally {
          await down.stop();
        }
      });
    }
  });

  it('stops at once, in a list and in a watch, and calls no handler afterwards', async () => {
    server.script('list', list(5, []));
    informer.start();
    await eventually('the watch is open', () => server.seen('watch').length === 1);

    await informer.stop();
    expect(informer.check()).to.equal(undefined);
    expect(changes).to.deep.equal([]);
  });
});
