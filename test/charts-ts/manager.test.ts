import { App, Chart } from 'cdk8s';
import { expect } from 'chai';
import { Manager, type ManagerProps, managerArgs } from '../../charts-ts/manager.ts';
import { parseFlags } from '../../src/manager/flags.ts';

const LABELS = { 'app.kubernetes.io/name': 'rstream-operator', 'app.kubernetes.io/component': 'manager' };
const PROPS: ManagerProps = {
  name: 'rstream-operator',
  namespace: 'rstream-system',
  labels: { ...LABELS, team: 'edge' },
  selector: LABELS,
  image: 'example.com/operator:1',
  replicas: 1,
  serviceAccountName: 'rstream-operator',
};

// biome-ignore lint/suspicious/noExplicitAny: a manifest
function deployment(change: Partial<ManagerProps> = {}): any {
  const chart = new Chart(new App(), 'chart');
  new Manager(chart, 'manager', { ...PROPS, ...change });
  return chart.toJson()[0];
}

describe('managerArgs', () => {
  it('elects a leader and runs agents from the manager’s own image by default', () => {
    expect(managerArgs(PROPS)).to.deep.equal([
      '--agent-image=example.com/operator:1',
      '--leader-elect',
      '--leader-election-namespace=rstream-system',
      '--metrics-bind-address=:8080',
      '--health-probe-bind-address=:8081',
    ]);
  });

  const everything = {
    agentImage: 'example.com/agent:2',
    leaderElection: false,
    watchNamespaces: ['shop', 'blog'],
    clusterId: 'east',
    crossNamespaceTargets: 'deny',
    allowExternalName: true,
    allowInsecureControlPlane: true,
    controlPlaneAllowCidrs: ['10.0.0.0/8'],
    allowedEngines: ['*.example.com:443'],
    allowedAgentImages: ['example.com/*'],
    workers: 8,
    kubeApiQps: 100,
    kubeApiBurst: 200,
    logLevel: 'debug',
    logFormat: 'text',
  } as const;

  it('says each setting once per value', () => {
    expect(managerArgs({ ...PROPS, ...everything })).to.deep.equal([
      '--agent-image=example.com/agent:2',
      '--metrics-bind-address=:8080',
      '--health-probe-bind-address=:8081',
      '--watch-namespace=shop',
      '--watch-namespace=blog',
      '--cluster-id=east',
      '--cross-namespace-targets=deny',
      '--allow-external-name',
      '--allow-insecure-control-plane',
      '--control-plane-allow-cidr=10.0.0.0/8',
      '--allowed-engines=*.example.com:443',
      '--allowed-agent-images=example.com/*',
      '--workers=8',
      '--kube-api-qps=100',
      '--kube-api-burst=200',
      '--log-level=debug',
      '--log-format=text',
    ]);
  });

  it('is understood by the manager', () => {
    expect(parseFlags(managerArgs({ ...PROPS, ...everything }))).to.deep.include({
      watchNamespace: ['shop', 'blog'],
      allowExternalName: true,
      workers: 8,
      logFormat: 'text',
    });
    expect(parseFlags(managerArgs(PROPS))).to.deep.include({ leaderElect: true, logFormat: 'json' });
  });
});

describe('Manager', () => {
  it('satisfies Pod Security restricted', () => {
    const { spec } = deployment().spec.template;

    expect(spec.securityContext).to.deep.equal({
      runAsNonRoot: true,
      seccompProfile: { type: 'RuntimeDefault' },
    });
    expect(spec.containers[0].securityContext).to.deep.equal({
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      readOnlyRootFilesystem: true,
    });
    expect(spec.enableServiceLinks).to.equal(false);
  });

  it('selects by the labels that never change and carries all of them', () => {
    const { spec } = deployment({ podLabels: { extra: 'yes', team: 'forged' } });

    expect(spec.selector).to.deep.equal({ matchLabels: LABELS });
    expect(spec.template.metadata.labels).to.deep.equal({ ...LABELS, team: 'edge', extra: 'yes' });
  });

  it('probes what it serves', () => {
    const [container] = deployment().spec.template.spec.containers;

    expect(container.livenessProbe.httpGet).to.deep.equal({ path: '/healthz', port: 'health' });
    expect(container.readinessProbe.httpGet).to.deep.equal({ path: '/readyz', port: 'health' });
    expect(container.ports).to.deep.equal([
      { name: 'metrics', containerPort: 8080 },
      { name: 'health', containerPort: 8081 },
    ]);
  });

  it('takes the user’s Pod settings as they are', () => {
    const settings = {
      nodeSelector: { constructor: 'kept' },
      tolerations: [{ futureField: 1 }],
      priorityClassName: 'important',
      terminationGracePeriodSeconds: 5,
    };
    const { spec } = deployment({ ...settings, resources: { requests: { cpu: 1 } } }).spec.template;

    expect(spec).to.deep.include(settings);
    expect(spec.containers[0].resources).to.deep.equal({ requests: { cpu: 1 } });
  });
});
