// Input that the API server takes and that cannot work: each ends with a condition that names the fix, and none keeps the
// manager busy.

import { expect } from 'chai';
import { secrets, services } from '../../src/kube/well-known.ts';
import { type BadInput, badInputs } from '../support/bad-inputs.ts';
import { eventually } from '../support/eventually.ts';
import { ManagerHarness } from '../support/manager-harness.ts';
import type { ManagerProcess } from '../support/manager-process.ts';
import { connectionResource, type Loose, tunnelResource } from '../support/rstream-resources.ts';

describe('input that cannot work', function () {
  this.timeout(400_000);
  let harness: ManagerHarness;
  let manager: ManagerProcess;

  before(async () => {
    harness = await ManagerHarness.start();
    manager = await harness.manager([
      ...['--allowed-agent-images', 'registry.example/*', '--allowed-engines', '*.edge.example.com:443'],
    ]);
  });
  after(async () => await harness?.stop());

  /** A good world but for one slip. */
  async function make(input: BadInput, namespace: string): Promise<void> {
    const metadata = (name: string) => ({ namespace, name });
    const { token = 'good-token', without } = input;
    const token2 = { tokenSecretRef: { name: 'credentials', key: 'token' } };
    const given = { ...token2, ...input.connection };
    const engine = 'projectEndpoint' in given ? {} : { engine: 'p1.edge.example.com' };
    const values = without === 'secret' ? input.secrets : { ...input.secrets, credentials: { token } };
    const objects: Promise<unknown>[] = Object.entries(values ?? {}).map(async ([name, data]) => {
      const encoded = Object.entries(data).map(([key, value]) => [
        key,
        Buffer.from(value).toString('base64'),
      ]);
      const object: Loose = { metadata: metadata(name), data: Object.fromEntries(encoded) };
      return await harness.put(secrets, object);
    });
    const spec = { ports: [{ name: 'http', port: 80, targetPort: 8080 }], ...input.service };
    const service: Loose = { metadata: metadata('app'), spec };
    const connection: Loose = { metadata: metadata('default'), spec: { ...engine, ...given } };
    const target = { target: { service: { name: 'app', port: 80 } } };
    const tunnel: Loose = { metadata: metadata('web'), spec: { ...target, ...input.tunnel } };
    if (without !== 'service') objects.push(harness.put(services, service));
    if (without !== 'connection') objects.push(harness.put(connectionResource, connection));
    objects.push(harness.put(tunnelResource, tunnel));
    await Promise.all(objects);
  }

  /** Until the condition says what it must; returns what is wrong with it instead. */
  async function verdictOn(input: BadInput, namespace: string): Promise<string | undefined> {
    const [resource, name] =
      input.resource === 'tunnel' ? [tunnelResource, 'web'] : [connectionResource, 'default'];
    return await eventually(
      input.what,
      async () => {
        const object = await harness.client.get(resource, { namespace, name });
        const found = object?.status?.conditions?.find(({ type }) => type === input.condition);
        const isRight = found?.status === 'False' && found.reason === input.reason;
        if (!isRight)
          throw new Error(`${input.condition}=${found?.status}/${found?.reason}: ${found?.message}`);
        return found.message.includes(input.words) ? 'right' : `the message is: ${found.message}`;
      },
      { timeoutMs: 90_000, everyMs: 250 },
    ).then(
      (verdict) => (verdict === 'right' ? undefined : `${input.what}: ${verdict}`),
      (error) => `${input.what}: ${error.cause?.message ?? error.message}`,
    );
  }

  async function counter(name: string): Promise<number> {
    const lines = (await manager.metrics()).split('\n').filter((line) => line.startsWith(`${name}{`));
    return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  }

  it(`ends ${badInputs.length} times with a condition that names the fix, and keeps nobody busy`, async () => {
    expect(badInputs.length).to.be.at.least(48);
    const namespaces = await Promise.all(badInputs.map(async () => await harness.namespace()));
    await Promise.all(badInputs.map(async (input, index) => await make(input, namespaces[index] ?? '')));
    const verdicts = await Promise.all(
      badInputs.map(async (input, index) => await verdictOn(input, namespaces[index] ?? '')),
    );
    expect(verdicts.filter((verdict) => verdict !== undefined)).to.deep.equal([]);

    const [reconciles, writes] = [
      await counter('controller_runtime_reconcile_total'),
      await manager.writes(),
    ];
    await tenSeconds();
    const after = await counter('controller_runtime_reconcile_total');
    expect(await counter('controller_runtime_reconcile_errors_total'), 'failed reconciles').to.be.at.most(5);
    expect(after, 'reconciles in all').to.be.at.most(badInputs.length * 25);
    expect(after - reconciles, 'reconciles once all is said').to.be.at.most(badInputs.length * 2);
    expect((await manager.writes()) - writes, 'writes once all is said').to.be.at.most(badInputs.length);
  });

  /** As long as it takes until an agent that vanished is found out. */
  async function tenSeconds(): Promise<void> {
    const namespace = await harness.namespace();
    await harness.world(namespace);
    await harness.reason(namespace, 'Ready', 'WaitingForDeployment');
    await harness.agentSays(namespace, 'web', 'nobody');
    await harness.reason(namespace, 'TunnelReady', 'AgentUnavailable');
  }
});
