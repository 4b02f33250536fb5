import { expect } from 'chai';
import { systemClock } from '../../src/common/clock.ts';
import { silentLogger } from '../../src/common/logging.ts';
import type { KubeClient } from '../../src/kube/client.ts';
import { EventRecorder, events } from '../../src/kube/events.ts';
import { configMaps } from '../../src/kube/well-known.ts';
import { eventually } from '../support/eventually.ts';
import type { KubeApiserver } from '../support/kube-apiserver.ts';
import { adminClient } from '../support/kube-client.ts';
import { sharedKubeApiserver } from '../support/shared-apiserver.ts';

describe('EventRecorder on a real API server', () => {
  let server: KubeApiserver;
  let client: KubeClient;
  let recorder: EventRecorder;
  let drops = 0;

  before(async function () {
    this.timeout(120_000);
    server = await sharedKubeApiserver();
    client = adminClient(server);
    recorder = new EventRecorder({
      client,
      clock: systemClock,
      log: silentLogger,
      reportingController: 'example.com/manager',
      reportingInstance: 'manager-0',
      fieldManager: 'us',
      seriesIntervalMs: 100,
      onDrop: () => {
        drops += 1;
      },
    });
  });

  after(async () => {
    await recorder?.stop();
    client?.close();
  });

  it('records Events that kubectl shows with their object, and counts repeats', async () => {
    const namespace = await server.createNamespace();
    const about = await client.create(
      configMaps,
      { metadata: { name: 'web', namespace } },
      { fieldManager: 'us' },
    );
    const details = { type: 'Warning', reason: 'Broken', action: 'Resolve', note: 'It is broken.' } as const;
    for (let time = 0; time < 3; time += 1) recorder.event(about, details);
    recorder.event(about, { ...details, note: 'ü'.repeat(3000) });

    const found = await eventually('both are there, the first with its count', async () => {
      const { items } = await client.list(events, { namespace });
      const counted = items.some((item) => item.series?.count === 3);
      return items.length === 2 && counted ? items : undefined;
    });
    expect(found.map((item) => item.regarding?.uid)).to.deep.equal([about.metadata.uid, about.metadata.uid]);
    const described = await server.kubectl([
      'events',
      '-n',
      namespace,
      '--for',
      'configmap/web',
      '--no-headers',
    ]);
    expect(described).to.match(/Warning\s+Broken\s+ConfigMap\/web\s+It is broken\./);
    expect(drops).to.equal(0);
  });

  it('drops what belongs to a namespace that is gone', async () => {
    const object = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'web', namespace: 'gone', uid: 'u' },
    };
    recorder.event(object, { type: 'Normal', reason: 'Fine', action: 'Resolve', note: 'Fine.' });
    await recorder.flush(AbortSignal.timeout(30_000));
    expect(drops).to.equal(1);
  });
});
