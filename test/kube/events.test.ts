import { expect } from 'chai';
import { silentLogger } from '../../src/common/logging.ts';
import type { KubeClient } from '../../src/kube/client.ts';
import { EventSeries } from '../../src/kube/event-series.ts';
import { EventRecorder, type EventRecorderOptions } from '../../src/kube/events.ts';
import { eventually } from '../support/eventually.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { json, object, reset, silence, status } from '../support/scripted-answers.ts';
import { type Answer, ScriptedApiserver, type SeenRequest } from '../support/scripted-apiserver.ts';

describe('EventRecorder', () => {
  let server: ScriptedApiserver;
  let client: KubeClient;
  let recorder: EventRecorder;
  let drops: number;
  let clock: ManualClock;
  const about = { ...object('web', 7), kind: 'RstreamTunnel', apiVersion: 'example.com/v1' };
  const echo: Answer = (response, request) => json(201, request.body)(response, request);
  const details = (note: string) =>
    ({ type: 'Warning', reason: 'SecretMissing', action: 'Resolve', note }) as const;

  const record = (options: Partial<EventRecorderOptions> = {}) => {
    recorder = new EventRecorder({
      client,
      clock,
      log: silentLogger,
      reportingController: 'example.com/manager',
      reportingInstance: 'manager-0',
      fieldManager: 'us',
      random: () => 0,
      onDrop: () => {
        drops += 1;
      },
      ...options,
    });
    return recorder;
  };
  /** Real sockets beside a manual clock: turn it whenever something waits for it. */
  const until = async (what: string, condition: () => boolean) =>
    await eventually(what, async () => {
      await clock.advance(100);
      return condition();
    });

  beforeEach(async () => {
    clock = new ManualClock();
    drops = 0;
    server = await ScriptedApiserver.start();
    client = server.client();
  });

  afterEach(async () => {
    await recorder.stop();
    await server.stop();
  });

  it('creates an Event beside its object, with everything the API requires', async () => {
    server.otherwise('create', echo);
    record().event(about, details('Secret "token" was not found.'));
    await until('it is sent', () => recorder.pending === 0 && server.seen('create').length === 1);

    const [request] = server.seen('create');
    expect(request?.path).to.equal('/apis/events.k8s.io/v1/namespaces/default/events');
    expect(request?.body).to.deep.include({
      eventTime: '2026-01-01T00:00:00.000000Z',
      type: 'Warning',
      reason: 'SecretMissing',
      action: 'Resolve',
      note: 'Secret "token" was not found.',
      regarding: {
        apiVersion: 'example.com/v1',
        kind: 'RstreamTunnel',
        name: 'web',
        namespace: 'default',
        uid: 'uid-web',
      },
      reportingController: 'example.com/manager',
      reportingInstance: 'manager-0',
    });
  });

  it('counts what repeats in a series, written now and then', async () => {
    server.otherwise('create', echo).otherwise('patch', json(200, object('e', 2)));
    record();
    for (let time = 0; time < 50; time += 1) recorder.event(about, details('same'));
    await until('the first is sent', () => server.seen('create').length === 1);
    await clock.advance(60_000);
    await until('the count is written', () => server.seen('patch').length === 1);

    expect(server.seen('patch')[0]?.body).to.deep.equal({
      series: { count: 50, lastObservedTime: '2026-01-01T00:00:00.000000Z' },
    });
    recorder.event(about, details('another text'));
    recorder.event({ ...about, metadata: { ...about.metadata, uid: 'again' } }, details('same'));
    await until('the others are Events of their own', () => server.seen('create').length === 3);
  });

  it('starts anew when the API server has forgotten the series', async () => {
    server.otherwise('create', echo).otherwise('patch', status(404, 'NotFound'));
    record();
    recorder.event(about, details('same'));
    recorder.event(about, details('same'));
    await clock.advance(60_000);
    await until('the count was refused', () => server.seen('patch').length === 1 && recorder.pending === 0);
    await eventually('the next one is created', () => {
      recorder.event(about, details('same'));
      return server.seen('create').length === 2;
    });
  });

  it('gives up at once what the gate keeps back: the next leader sees the same', async () => {
    let asked = 0;
    const gated = client.gated(() => {
      asked += 1;
      return 'this process does not lead';
    });
    record({ client: gated }).event(about, details('late'));
    await until('it is dropped', () => drops === 1);
    expect(asked).to.equal(1);
    expect(server.requests).to.deep.equal([]);
  });

  it('tries again what failed for a moment, in order', async () => {
    server.script(
      'create',
      status(500, 'InternalError'),
      reset,
      status(429, 'TooManyRequests', { retryAfter: 1 }),
    );
    server.otherwise('create', echo);
    record();
    recorder.event(about, details('first'));
    recorder.event(about, details('second'));
    await until('both are there', () => server.seen('create').length === 5);

    const notes = server.seen('create').map(noteOf);
    expect(notes).to.deep.equal(['first', 'first', 'first', 'first', 'second']);
    expect(new Set(server.seen('create').slice(0, 4).map(nameOf)).size, 'the same Event').to.equal(1);
    expect(drops).to.equal(0);
  });

  it('is not held up by one object whose Events are not taken', async () => {
    server.otherwise('create', (response, request) => {
      if (noteOf(request) !== 'stuck') echo(response, request);
    });
    record().event(about, details('stuck'));
    recorder.event(about, details('behind it'));
    const others = Array.from({ length: 40 }, (_, index) => ({
      ...about,
      metadata: { ...about.metadata, name: `other-${index}`, uid: `uid-${index}` },
    }));
    for (const other of others) recorder.event(other, details('free'));

    const free = () => server.seen('create').filter((request) => noteOf(request) === 'free').length;
    await eventually('most of the others are sent', () => free() >= 20);
    expect(server.seen('create').map(noteOf)).to.not.include('behind it');
  });

  it('writes a count later that found the queue full', async () => {
    server.script('create', echo).otherwise('patch', json(200, object('e', 2)));
    record({ maxQueue: 1 });
    recorder.event(about, details('same'));
    await until('it is sent', () => server.seen('create').length === 1 && recorder.pending === 0);
    recorder.event(about, details('same'));
    recorder.event(about, details('never answered'));
    await eventually('that one is under way', () => server.seen('create').length === 2);
    recorder.event(about, details('fills the queue'));
    await clock.advance(60_000);
    expect(drops, 'the count was given up').to.equal(1);

    server.otherwise('create', echo).cut();
    await until('the queue is empty', () => recorder.pending === 0);
    await clock.advance(60_000);
    await until('the count is written', () => server.seen('patch').length === 1);
  });

  it('takes an Event that exists already for one whose answer was lost', async () => {
    server.script('create', status(409, 'AlreadyExists')).otherwise('create', echo);
    record().event(about, details('x'));
    await recorder.flush(AbortSignal.timeout(10_000));
    expect(server.seen('create')).to.have.length(1);
    expect(drops).to.equal(0);
  });

  for (const [what, answer] of Object.entries({
    'forbids it': status(403, 'Forbidden'),
    'no longer has the namespace': status(404, 'NotFound'),
    'finds it invalid': status(422, 'Invalid'),
  })) {
    it(`drops and counts an Event when the API server ${what}`, async () => {
      server.script('create', answer).otherwise('create', echo);
      record();
      recorder.event(about, details('unwanted'));
      recorder.event(about, details('next'));
      await until('the next is sent', () => server.seen('create').length === 2);
      expect(drops).to.equal(1);
    });
  }

  it('gives up after some attempts', async () => {
    server.otherwise('create', status(503, 'ServiceUnavailable'));
    record().event(about, details('x'));
    await until('it is dropped', () => drops === 1);
    expect(server.seen('create')).to.have.length(5);
  });

  it('never waits, and drops what its bounded queue cannot hold', async () => {
    server.otherwise('create', silence);
    record({ maxQueue: 10 });
    for (let count = 0; count < 200; count += 1) recorder.event(about, details(`note ${count}`));
    await eventually('the first is under way', () => server.seen('create').length === 1);

    expect(recorder.pending).to.be.at.most(10);
    expect(drops).to.be.within(189, 190);
  });

  it('cuts what the API would refuse for its length', async () => {
    server.otherwise('create', echo);
    const long = { ...about, metadata: { ...about.metadata, name: 'n'.repeat(253) } };
    record().event(long, details('ü'.repeat(2000)));
    await until('it is sent', () => server.seen('create').length === 1);

    const [request] = server.seen('create');
    expect(request && nameOf(request).length).to.be.at.most(253);
    expect(Buffer.byteLength(request ? noteOf(request) : '')).to.be.within(1000, 1024);
    expect(request && noteOf(request)).to.match(/^ü+…$/);
  });

  it('lets a shutdown wait for what is under way', async () => {
    server.otherwise('create', echo);
    record();
    recorder.event(about, details('last words'));
    await recorder.flush(AbortSignal.timeout(10_000));
    expect(server.seen('create')).to.have.length(1);
    await recorder.flush(AbortSignal.abort());
  });

  function bodyOf(request: SeenRequest): { metadata: { name: string }; note: string } {
    return request.body as { metadata: { name: string }; note: string };
  }
  function nameOf(request: SeenRequest): string {
    return bodyOf(request).metadata.name;
  }
  function noteOf(request: SeenRequest): string {
    return bodyOf(request).note;
  }
});

describe('EventSeries', () => {
  const begin = (series: EventSeries, key: string, now: number) =>
    series.begin({
      key,
      name: key,
      namespace: 'n',
      count: 1,
      reported: 1,
      lastAt: now,
      lastDate: new Date(now),
    });

  it('remembers a bounded number, the least recent going first', () => {
    const series = new EventSeries({ maxSeries: 2 });
    begin(series, 'a', 0);
    begin(series, 'b', 1);
    series.repeat('a', 2, new Date(2));
    begin(series, 'c', 3);
    expect(series.size).to.equal(2);
    expect(series.repeat('b', 4, new Date(4))).to.equal(undefined);
    expect(series.repeat('a', 4, new Date(4))?.count).to.equal(3);
  });

  it('ends a series that has not repeated for six minutes', () => {
    const series = new EventSeries();
    begin(series, 'a', 0);
    expect(series.repeat('a', 359_999, new Date())?.count).to.equal(2);
    expect(series.repeat('a', 719_999, new Date())).to.equal(undefined);
    expect(series.size).to.equal(0);
  });
});
