import { App, Chart } from 'cdk8s';
import { Deployment, Service } from 'cdk8s-plus-28';
import { expect } from 'chai';
import { RstreamConnection } from '../../charts-ts/connection.ts';
import { RstreamTunnel, type TunnelSettings } from '../../charts-ts/tunnel.ts';

function chartOf(namespace?: string): Chart {
  return new Chart(new App(), 'chart', namespace === undefined ? {} : { namespace });
}

function specOf(tunnel: RstreamTunnel): unknown {
  return tunnel.toJson().spec;
}

const TARGET = { service: { name: 'web', port: 80 } };

describe('RstreamTunnel', () => {
  it('synthesizes the resource', () => {
    const chart = chartOf();
    new RstreamTunnel(chart, 'tunnel', { metadata: { name: 'web' }, spec: { target: TARGET } });

    expect(chart.toJson()).to.deep.equal([
      {
        apiVersion: 'tunnels.rstream.io/v1alpha1',
        kind: 'RstreamTunnel',
        metadata: { name: 'web' },
        spec: { target: TARGET },
      },
    ]);
  });

  it('fails synthesis with the API server’s own sentence and path', () => {
    const chart = chartOf();
    new RstreamTunnel(chart, 'tunnel', {
      metadata: { name: 'web' },
      spec: { target: TARGET, protocol: 'http', tcpPort: 70_000 },
    });

    expect(() => chart.toJson()).to.throw(/\[chart\/tunnel\] RstreamTunnel web: spec\.tcpPort: /);
  });
});

describe('RstreamTunnel.fromService', () => {
  const PORTS = [{ port: 80, name: 'http' }, { port: 9090 }];
  const fill = (settings: TunnelSettings, ports: readonly { port: number; name?: string }[] = PORTS) =>
    specOf(RstreamTunnel.fromService(chartOf('shop'), 'tunnel', { name: 'web', ports }, settings));

  it('takes a port by name or number', () => {
    expect(fill({ port: 'http' })).to.deep.equal({ target: { service: { name: 'web', port: 'http' } } });
    expect(fill({ port: 9090 })).to.deep.equal({ target: { service: { name: 'web', port: 9090 } } });
  });

  it('needs no port of a Service that has one, and prefers its name', () => {
    expect(fill({}, [{ port: 80, name: 'http' }])).to.deep.equal({
      target: { service: { name: 'web', port: 'http' } },
    });
    expect(fill({}, [{ port: 80 }])).to.deep.equal({ target: TARGET });
  });

  it('refuses a port that is not there, and says which are', () => {
    expect(() => fill({ port: 'https' })).to.throw(
      'Service web: there is no port https. Set `port` to one of: http, 9090',
    );
    expect(() => fill({})).to.throw('Service web: which port is to be exposed?');
  });

  it('takes a connection or its name, and every other field of the spec', () => {
    const chart = chartOf();
    const connection = new RstreamConnection(chart, 'connection', {
      metadata: { name: 'engine' },
      spec: { engine: 'engine.example.com', tokenSecretRef: { name: 'engine', key: 'token' } },
    });
    const tunnel = RstreamTunnel.fromService(
      chart,
      'tunnel',
      { name: 'web', ports: [{ port: 80 }] },
      {
        connection,
        hostname: 'web.example.com',
      },
    );

    expect(specOf(tunnel)).to.deep.equal({
      connectionRef: { name: 'engine' },
      hostname: 'web.example.com',
      target: TARGET,
    });
  });

  it('names the namespace of a Service that lives elsewhere', () => {
    const service = new Service(chartOf('backend'), 'service', {
      metadata: { name: 'web' },
      ports: [{ port: 80 }],
    });

    expect(specOf(RstreamTunnel.fromService(chartOf('edge'), 'tunnel', service))).to.deep.equal({
      target: { service: { name: 'web', port: 80, namespace: 'backend' } },
    });
    expect(specOf(RstreamTunnel.fromService(chartOf('backend'), 'tunnel', service))).to.deep.equal({
      target: TARGET,
    });
  });
});

describe('RstreamTunnel.fromDeployment', () => {
  it('exposes the Deployment through a Service and that through a tunnel', () => {
    const chart = chartOf('shop');
    const deployment = new Deployment(chart, 'web', {
      containers: [{ image: 'example.com/web', portNumber: 8080 }],
    });

    RstreamTunnel.fromDeployment(chart, 'tunnel', deployment, { service: { name: 'web' }, protocol: 'http' });

    const kinds = chart.toJson().map(({ kind }: { kind: string }) => kind);
    expect(kinds).to.have.members(['Deployment', 'Service', 'RstreamTunnel']);
    expect(chart.toJson().find(({ kind }: { kind: string }) => kind === 'RstreamTunnel').spec).to.deep.equal({
      protocol: 'http',
      target: { service: { name: 'web', port: 8080 } },
    });
  });
});

describe('RstreamConnection', () => {
  it('fails synthesis when a rule is broken', () => {
    const chart = chartOf();
    new RstreamConnection(chart, 'connection', {
      metadata: { name: 'default' },
      spec: { engine: 'engine.example.com', projectID: 'p', tokenSecretRef: { name: 'a', key: 'b' } },
    });

    expect(() => chart.toJson()).to.throw(
      'RstreamConnection default: spec: set exactly one of projectEndpoint, projectID and engine',
    );
  });
});
