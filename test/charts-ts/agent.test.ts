import { Yaml } from 'cdk8s';
import { expect } from 'chai';
import { renderTunnelAgent } from '../../charts-ts/agent.ts';
import type { AgentPodSettings, TunnelAgentProps } from '../../charts-ts/agent-props.ts';
import { parseAgentConfig } from '../../src/api/agent-config.ts';
import { childLabels, childNames } from '../../src/api/names.ts';
import { expectGolden } from '../support/golden.ts';
import { AGENT_PROPS } from './agent-fixture.ts';

// biome-ignore lint/suspicious/noExplicitAny: the tests reach into manifests of many kinds
type Manifest = any;

const NAMES = childNames(AGENT_PROPS.tunnel.name, AGENT_PROPS.tunnel.uid);

function render(change: Partial<TunnelAgentProps> = {}): Map<string, Manifest> {
  return new Map(renderTunnelAgent({ ...AGENT_PROPS, ...change }).map((object) => [object.kind, object]));
}

function podTemplate(agent: AgentPodSettings): Manifest {
  return render({ agent }).get('Deployment').spec.template;
}

describe('renderTunnelAgent', () => {
  it('renders a whole tunnel as the golden file says', () => {
    const secrets = {
      ...AGENT_PROPS.secrets,
      tlsCa: { name: 'engine-ca', key: 'ca' },
      proxy: { username: { name: 'proxy', key: 'user' }, password: { name: 'proxy', key: 'pass' } },
    };
    const text = Yaml.stringify(...renderTunnelAgent({ ...AGENT_PROPS, secrets }));

    expectGolden(text, new URL('./golden/tunnel-agent.yaml', import.meta.url));
  });

  it('gives the same text for the same props, and orders what others depend on first', () => {
    const objects = renderTunnelAgent(AGENT_PROPS);

    expect(JSON.stringify(objects)).to.equal(JSON.stringify(renderTunnelAgent(AGENT_PROPS)));
    expect(objects.map(({ kind }) => kind)).to.deep.equal([
      'ConfigMap',
      'ServiceAccount',
      'Role',
      'RoleBinding',
      'Deployment',
    ]);
  });

  it('makes every object the tunnel’s own, with the labels of its component', () => {
    const components = { ConfigMap: 'config', Deployment: 'agent', PodDisruptionBudget: 'agent' };
    const { name, namespace, uid } = AGENT_PROPS.tunnel;

    for (const object of renderTunnelAgent({ ...AGENT_PROPS, agent: { replicas: 2 } })) {
      const component = components[object.kind as keyof typeof components] ?? 'agent-rbac';
      expect(object.metadata, object.kind).to.deep.equal({
        name: object.kind === 'ConfigMap' ? NAMES.config : NAMES.base,
        namespace,
        labels: childLabels(AGENT_PROPS.tunnel, component as 'agent'),
        ownerReferences: [
          {
            apiVersion: 'tunnels.rstream.io/v1alpha1',
            kind: 'RstreamTunnel',
            name,
            uid,
            controller: true,
            blockOwnerDeletion: false,
          },
        ],
      });
    }
  });

  it('selects Pods by all eight labels', () => {
    const { selector, template } = render().get('Deployment').spec;
    const labels = childLabels(AGENT_PROPS.tunnel, 'agent');

    expect(Object.keys(labels)).to.have.length(8);
    expect(selector).to.deep.equal({ matchLabels: labels });
    expect(template.metadata).to.deep.equal({ labels, annotations: { 'rstream.io/config-hash': 'abc123' } });
  });

  it('writes a configuration that the agent reads back', () => {
    const text = render().get('ConfigMap').data['config.yaml'];

    expect(parseAgentConfig(text)).to.deep.equal(AGENT_PROPS.config);
  });

  it('lets an agent read its own tunnel and patch its status, nothing else', () => {
    const resourceNames = ['web'];
    const apiGroups = ['tunnels.rstream.io'];

    expect(render().get('Role').rules).to.deep.equal([
      { apiGroups, resources: ['rstreamtunnels'], resourceNames, verbs: ['get'] },
      { apiGroups, resources: ['rstreamtunnels/status'], resourceNames, verbs: ['get', 'patch'] },
    ]);
    expect(render().get('RoleBinding')).to.deep.include({
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: NAMES.base },
      subjects: [{ kind: 'ServiceAccount', name: NAMES.base, namespace: 'demo' }],
    });
  });

  it('maps the referenced keys of any Secrets to the agent’s file names', () => {
    const mtls = {
      cert: { name: 'client', key: 'certificate' },
      key: { name: 'client-key', key: 'private' },
      ca: { name: 'client', key: 'authority' },
    };
    const { volumes, containers } = render({ secrets: { mtls } }).get('Deployment').spec.template.spec;

    expect(volumes[1]).to.deep.equal({
      name: 'mtls',
      projected: {
        sources: [
          { secret: { name: 'client', items: [{ key: 'certificate', path: 'tls.crt' }] } },
          { secret: { name: 'client-key', items: [{ key: 'private', path: 'tls.key' }] } },
          { secret: { name: 'client', items: [{ key: 'authority', path: 'ca.crt' }] } },
        ],
      },
    });
    expect(containers[0].volumeMounts[1]).to.deep.equal({
      name: 'mtls',
      mountPath: '/var/run/rstream/mtls',
      readOnly: true,
    });
    expect(JSON.stringify(containers[0].env)).not.to.contain('RSTREAM_AUTHENTICATION_TOKEN');
  });

  it('keeps everything but the agents of a suspended tunnel', () => {
    const kinds = [...render({ suspended: true, agent: { replicas: 2 } }).keys()];

    expect(kinds).to.deep.equal(['ConfigMap', 'ServiceAccount', 'Role', 'RoleBinding']);
  });
});

describe('renderTunnelAgent with settings of the user', () => {
  it('lays them on the Pod verbatim, fields newer than our types included', () => {
    const agent = {
      nodeSelector: { constructor: 'kept' },
      tolerations: [{ key: 'edge', futureField: true }],
      affinity: { nodeAffinity: { futureField: [1] } },
      priorityClassName: 'important',
      imagePullSecrets: [{ name: 'registry' }],
      topologySpreadConstraints: [{ maxSkew: 2, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule' }],
      terminationGracePeriodSeconds: 0,
    };
    const container = { imagePullPolicy: 'Always', resources: { limits: { 'example.com/nic': '1' } } };
    const { spec } = podTemplate({ ...agent, ...container });

    expect(spec).to.deep.include(agent);
    expect(spec.containers[0]).to.deep.include(container);
  });

  it('adds labels and annotations without letting them replace its own', () => {
    const hash = 'rstream.io/config-hash';
    const { metadata } = podTemplate({
      podLabels: { team: 'shop', constructor: 'kept', 'rstream.io/tunnel-uid': 'forged' },
      podAnnotations: { note: 'x', [hash]: 'forged' },
    });

    expect(metadata.labels).to.deep.include({ team: 'shop', ...childLabels(AGENT_PROPS.tunnel, 'agent') });
    expect(Object.getOwnPropertyDescriptor(metadata.labels, 'constructor')?.value).to.equal('kept');
    expect(metadata.annotations).to.deep.equal({ note: 'x', [hash]: 'abc123' });
  });

  it('counts empty settings as absent', () => {
    const empty = { nodeSelector: {}, tolerations: [], affinity: {}, resources: {}, priorityClassName: '' };

    expect(podTemplate(empty)).to.deep.equal(podTemplate({}));
  });

  it('has modest resources of its own and 30 s to leave', () => {
    const { spec } = podTemplate({});

    expect(spec.terminationGracePeriodSeconds).to.equal(30);
    expect(spec.containers[0].resources).to.deep.equal({
      requests: { cpu: '25m', memory: '64Mi' },
      limits: { memory: '256Mi' },
    });
  });

  it('guards and spreads more than one replica', () => {
    const objects = render({ agent: { replicas: 3 } });
    const { selector, replicas, template } = objects.get('Deployment').spec;

    expect(replicas).to.equal(3);
    expect(objects.get('PodDisruptionBudget').spec).to.deep.equal({ maxUnavailable: 1, selector });
    expect(template.spec.topologySpreadConstraints).to.deep.equal([
      {
        maxSkew: 1,
        topologyKey: 'kubernetes.io/hostname',
        whenUnsatisfiable: 'ScheduleAnyway',
        labelSelector: selector,
      },
    ]);
  });

  it('hands over with one Pod more and none less, and always sends the whole block', () => {
    expect(render().get('Deployment').spec.strategy).to.deep.equal({
      type: 'RollingUpdate',
      rollingUpdate: { maxSurge: 1, maxUnavailable: 0 },
    });
    expect(render({ agent: { strategy: 'Recreate' } }).get('Deployment').spec.strategy).to.deep.equal({
      type: 'Recreate',
    });
  });
});
