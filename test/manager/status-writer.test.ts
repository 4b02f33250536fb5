import { expect } from 'chai';
import { systemClock } from '../../src/common/clock.ts';
import type { KubeClient } from '../../src/kube/client.ts';
import { type StatusSubject, writeStatus } from '../../src/manager/status-writer.ts';
import { tunnelContract } from '../../src/manager/status-writes.ts';
import { tunnels } from '../../src/manager/watched-resources.ts';
import { json, object, status, statusBody } from '../support/scripted-answers.ts';
import { ScriptedApiserver } from '../support/scripted-apiserver.ts';
import { condition } from './fixtures.ts';

const stalled = condition('Stalled', 'True', 'InvalidSpec');
const wish = { observedGeneration: 2, conditions: [], fields: { hostname: 'a.example.com' } };

function subject(live: object, foreign: readonly string[] = []): StatusSubject {
  const metadata = { name: 'web', namespace: 'shop', resourceVersion: '7' };
  return { metadata, status: live, owners: { foreign, updaters: [], applied: true } };
}

describe('writing a status', () => {
  let server: ScriptedApiserver;
  let client: KubeClient;

  beforeEach(async () => {
    server = await ScriptedApiserver.start();
    client = server.client();
  });
  afterEach(async () => {
    await server.stop();
  });

  const write = async (of: StatusSubject) =>
    await writeStatus({
      ...{ client, clock: systemClock, resource: tunnels, contract: tunnelContract, wish },
      subject: of,
      signal: new AbortController().signal,
    });

  it('sends nothing when nothing changed', async () => {
    const same = { observedGeneration: 2, hostname: 'a.example.com', conditions: [] };
    expect(await write(subject(same))).to.deep.equal({ unchanged: true });
    expect(server.requests).to.deep.equal([]);
  });

  it('applies its own part, by force, and takes what others hold on to away only from the version it judged', async () => {
    server.script('patch', json(200, object('web', 8)), json(200, object('web', 9)));
    await write(subject({ hostname: 'b.example.com', conditions: [stalled] }, ['conditions/Stalled']));

    const [removal, apply, ...more] = server.seen('patch');
    expect(more).to.deep.equal([]);
    expect(removal?.body).to.deep.equal([
      { op: 'test', path: '/metadata/resourceVersion', value: '7' },
      { op: 'remove', path: '/status/conditions/0' },
    ]);
    expect(apply?.body).to.have.deep.property('status', {
      ...{ observedGeneration: 2, hostname: 'a.example.com', conditions: [] },
    });
    expect(apply?.body).to.have.nested.property('metadata.resourceVersion', '8');
    expect(Object.fromEntries(apply?.query ?? [])).to.include({
      fieldManager: 'rstream-operator',
      force: 'true',
    });
  });

  it('takes an object that is gone for an outcome', async () => {
    server.otherwise('patch', status(404, 'NotFound'));
    expect(await write(subject({}))).to.deep.equal({ latest: undefined });
  });

  // Without the kind, 422 says that a patch met another version than the one it tests.
  for (const [code, reason] of [
    [409, 'Conflict'],
    [422, 'Invalid'],
  ] as const) {
    it(`reads what is to be judged now when it is another than it judged (${code})`, async () => {
      server.otherwise('patch', status(code, reason)).otherwise('get', json(200, object('web', 12)));
      expect(await write(subject({}))).to.have.nested.property('latest.metadata.resourceVersion', '12');
      expect(server.seen('patch')).to.have.length(1);
    });
  }

  it('takes a refusal of the status for an outcome, with the API server’s words', async () => {
    const details = { kind: 'RstreamTunnel', name: 'web' };
    const refusal = { ...statusBody(422, 'Invalid', 'too many'), details };
    server.otherwise('patch', json(422, refusal));
    expect(await write(subject({}))).to.deep.equal({ refused: 'too many' });
  });

  it('fails with anything else, to be tried again', async () => {
    server.otherwise('patch', status(403, 'Forbidden'));
    const failed = await write(subject({})).catch((error: unknown) => error);
    expect(failed).to.have.property('status', 403);
  });
});
