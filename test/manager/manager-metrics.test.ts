import { expect } from 'chai';
import { Registry } from 'prom-client';
import { controlPlaneCounter, registerResourceMetrics } from '../../src/manager/manager-metrics.ts';
import { condition } from './fixtures.ts';

const of = (...conditions: ReturnType<typeof condition>[]) => ({ status: { conditions } });
const online = condition('Ready', 'True', 'Ready');
const offline = condition('Ready', 'False', 'WaitingForTunnel');

async function samples(registry: Registry): Promise<readonly string[]> {
  return (await registry.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}

describe('the manager’s own metrics', () => {
  it('count what is there at the moment, by condition and status', async () => {
    const registry = new Registry();
    let tunnels = [of(online), of(offline), of(offline, condition('Stalled', 'True', 'InvalidSpec')), {}];
    registerResourceMetrics({ registry, tunnels: () => tunnels, connections: () => [of(online)] });

    const first = [
      'rstream_tunnels{condition="Ready",status="True"} 1',
      'rstream_tunnels{condition="Ready",status="False"} 2',
      'rstream_tunnels{condition="Stalled",status="True"} 1',
      'rstream_connections{condition="Ready",status="True"} 1',
    ];
    expect(await samples(registry)).to.deep.equal(first);
    expect(await samples(registry), 'asked again').to.deep.equal(first);
    tunnels = [of(online)];
    expect(await samples(registry), 'after most are gone').to.deep.equal([first[0], first[3]]);
  });

  it('count the answers of control planes by code', async () => {
    const registry = new Registry();
    const count = controlPlaneCounter(registry);
    for (const code of ['200', '429', '200', 'error']) count(code);

    expect(await samples(registry)).to.deep.equal([
      'rstream_control_plane_requests_total{code="200"} 2',
      'rstream_control_plane_requests_total{code="429"} 1',
      'rstream_control_plane_requests_total{code="error"} 1',
    ]);
  });
});
