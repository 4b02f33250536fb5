import { expect } from 'chai';
import { systemClock } from '../../src/common/clock.ts';
import { silentLogger } from '../../src/common/logging.ts';
import type { KubeClient } from '../../src/kube/client.ts';
import { Informer, type InformerOptions } from '../../src/kube/informer.ts';
import type { KubeObject } from '../../src/kube/object.ts';
import { configMaps } from '../../src/kube/well-known.ts';
import { eventually } from '../support/eventually.ts';
import { HistoryServer } from '../support/history-server.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { line, list, object, status, watch } from '../support/scripted-answers.ts';
import { ScriptedApiserver } from '../support/scripted-apiserver.ts';

describe('Informer', () => {
  let server: ScriptedApiserver;
  let client: KubeClient;
  let informer: Informer<KubeObject>;

  const follow = (options: Partial<InformerOptions<KubeObject>> = {}) => {
    const base = { client, resource: configMaps, clock: systemClock, log: silentLogger, maxBackoffMs: 5 };
    informer = new Informer<KubeObject>({ ...base, ...options });
    return informer;
  };

  beforeEach(async () => {
    server = await ScriptedApiserver.start();
    client = server.client();
  });

  afterEach(async () => {
    await informer.stop();
    await server.stop();
  });

  it('tells a late subscriber what is there already, and nobody who has left', async () => {
    server.script('list', list(5, [object('a', 1)])).otherwise('watch', watch());
    follow().start();
    await informer.synced();
    const seen: string[] = [];
    const leave = informer.subscribe({ onAdd: ({ metadata }) => seen.push(metadata.name) });
    expect(seen).to.deep.equal(['a']);

    leave();
    informer.written(object('b', 6));
    expect(seen).to.deep.equal(['a']);
    expect(informer.size).to.equal(2);
  });

  for (const [random, ms] of [
    [0, 75_000],
    [1, 112_500],
  ] as const) {
    it(`opens a watch again that brought nothing for ${ms / 1000} s (random ${random})`, async () => {
      const clock = new ManualClock();
      client = server.client({ clock });
      server.otherwise('list', list(5, [])).otherwise('watch', watch());
      follow({ client, clock, random: () => random }).start();
      const opened = () => server.seen('watch').length;
      await eventually('a watch waits', () => opened() === 1 && clock.nextDelayMs === ms);
      await clock.advance(ms - 1);
      expect(opened()).to.equal(1);
      await clock.advance(1);
      await eventually('another is opened', async () => {
        await clock.advance(5);
        return opened() === 2;
      });
    });
  }

  for (const code of [401, 403, 404]) {
    it(`says that a watch is refused (${code}) until one begins again, whatever is listed meanwhile`, async () => {
      const refused = status(code, 'Refused', { message: 'not for you' });
      server.otherwise('list', list(5, [])).otherwise('watch', refused);
      follow().start();
      await eventually('it has listed again', () => server.seen('list').length > 2);
      expect(informer.refusal).to.equal('not for you');

      server.otherwise('watch', watch());
      await eventually('it watches', () => informer.refusal === undefined);
    });
  }

  it('says that a list is refused, and nothing of a server that fails', async () => {
    server.otherwise('list', status(403, 'Forbidden', { message: 'not for you' }));
    follow().start();
    await eventually('it is refused', () => informer.refusal === 'not for you');
    expect(informer.hasSynced).to.equal(false);

    server.otherwise('list', list(5, [])).script('watch', watch());
    await eventually('it watches', () => informer.refusal === undefined);
    server.otherwise('watch', status(500, 'InternalError'));
    server.cut();
    await eventually('that failed', () => server.seen('watch').length > 3);
    expect(informer.refusal).to.equal(undefined);
  });

  it('calls the other handlers when one throws', async () => {
    server
      .script('list', list(5, [object('a', 1)]))
      .otherwise('watch', watch(line('DELETED', object('a', 6))));
    const seen: string[] = [];
    follow().subscribe({
      onAdd: () => {
        throw new Error('broken handler');
      },
    });
    informer.subscribe({
      onAdd: ({ metadata }) => seen.push(`+${metadata.name}`),
      onDelete: ({ metadata }) => seen.push(`-${metadata.resourceVersion}`),
    });
    informer.start();
    await eventually('the watch has brought its event', () => seen.length === 2);
    expect(seen).to.deep.equal(['+a', '-6']);
  });

  it('has synced only when every namespace was listed', async () => {
    server
      .script('list', list(5, []))
      .otherwise('list', status(403, 'Forbidden'))
      .otherwise('watch', watch());
    follow({ namespaces: ['a', 'b', 'a'] }).start();
    await eventually('one of them is refused', () => informer.failure);
    expect(informer.hasSynced).to.equal(false);
    const reason = new Error('enough');
    expect(await informer.synced(AbortSignal.abort(reason)).catch((error: unknown) => error)).to.equal(
      reason,
    );

    server.otherwise('list', list(6, []));
    await informer.synced();
    expect(new Set(server.seen('list').map((request) => request.path)).size).to.equal(2);
    expect(informer.failure).to.equal(undefined);
  });

  it('is unhealthy only when its watch no longer moves', async () => {
    const clock = new ManualClock();
    server.script('list', list(5, [])).otherwise('watch', watch());
    follow({ clock }).start();
    await eventually('the watch is open', () => server.seen('watch').length === 1);
    await clock.advance(5 * 60_000);
    expect(informer.check()).to.equal(undefined);
    // The client keeps real time here, so its own watchdog on silence never helps.
    await clock.advance(2 * 60_000);
    expect(informer.check()).to.equal('the watch of configmaps has not moved for 420 s');
  });

  it('stays healthy while the API server is down', async () => {
    const clock = new ManualClock();
    const url = server.url;
    await server.stop();
    server = await ScriptedApiserver.start();
    const down = server.client({ credentials: { ...server.credentials, baseUrl: url } });
    follow({ clock, client: down, maxBackoffMs: 30_000 }).start();
    for (let minute = 0; minute < 20; minute += 1) {
      await eventually('it waits for its next attempt', () => clock.pending > 0);
      await clock.advance(60_000);
    }
    await eventually('it has failed again', () => clock.pending > 0);
    expect(informer.check()).to.equal(undefined);
    expect(informer.failure).to.match(/ECONNREFUSED/);
  });

  it('ends up with exactly what the server has, whatever breaks on the way', async function () {
    this.timeout(60_000);
    for (let seed = 1; seed <= 8; seed += 1) {
      const history = new HistoryServer(server, seed);
      const known = new Map<string, string | undefined>();
      follow({ pageSize: 3, silenceMs: 200 });
      informer.subscribe({
        onAdd: ({ metadata }) => {
          expect(known.has(metadata.name)).to.equal(false);
          known.set(metadata.name, metadata.resourceVersion);
        },
        onUpdate: ({ metadata }) => {
          expect(known.has(metadata.name)).to.equal(true);
          known.set(metadata.name, metadata.resourceVersion);
        },
        onDelete: ({ metadata }) => expect(known.delete(metadata.name)).to.equal(true),
      });
      informer.start();
      for (let step = 0; step < 150; step += 1) {
        history.change();
        if (step % 5 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      history.heal();
      await eventually(`cache and server agree (seed ${seed})`, () => {
        expect(Object.fromEntries(known)).to.deep.equal(history.state());
        return true;
      });
      await informer.stop();
    }
  });
});
