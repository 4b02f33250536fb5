import { App, Chart } from 'cdk8s';
import { expect } from 'chai';
import { Operator } from '../../charts-ts/operator.ts';
import type { OperatorProps } from '../../charts-ts/operator-props.ts';
import { MANAGER_RULES } from '../../charts-ts/rbac.ts';

// biome-ignore lint/suspicious/noExplicitAny: the tests reach into manifests of many kinds
type Manifest = any;

function synthesize(props?: OperatorProps): Manifest[] {
  const chart = new Chart(new App(), 'chart');
  new Operator(chart, 'operator', props);
  return chart.toJson();
}

function named(manifests: Manifest[]): string[] {
  return manifests.map(({ kind, metadata }) =>
    [kind, metadata.namespace, metadata.name].filter(Boolean).join(' '),
  );
}

describe('Operator', () => {
  it('installs into a restricted namespace of its own, for the whole cluster', () => {
    expect(named(synthesize())).to.deep.equal([
      'Namespace rstream-system',
      'ServiceAccount rstream-system rstream-operator',
      'ClusterRole rstream-operator-manager-role',
      'ClusterRoleBinding rstream-operator-manager-rolebinding',
      'Role kube-system rstream-operator-cluster-identity',
      'RoleBinding kube-system rstream-operator-cluster-identity',
      'ClusterRole rstream-operator-view',
      'ClusterRole rstream-operator-edit',
      'Role rstream-system rstream-operator-leader-election',
      'RoleBinding rstream-system rstream-operator-leader-election',
      'Deployment rstream-system rstream-operator',
    ]);
    expect(synthesize()[0].metadata.labels).to.include({
      'pod-security.kubernetes.io/enforce': 'restricted',
    });
  });

  it('has no right outside the namespaces it is told to watch', () => {
    const manifests = synthesize({ watchNamespaces: ['shop', 'blog'], createNamespace: false });

    expect(named(manifests)).to.deep.equal([
      'ServiceAccount rstream-system rstream-operator',
      'Role shop rstream-operator-manager-role',
      'RoleBinding shop rstream-operator-manager-rolebinding',
      'Role blog rstream-operator-manager-role',
      'RoleBinding blog rstream-operator-manager-rolebinding',
      'Role rstream-system rstream-operator-leader-election',
      'RoleBinding rstream-system rstream-operator-leader-election',
      'Deployment rstream-system rstream-operator',
    ]);
    expect(manifests[1].rules).to.deep.include.members([
      { apiGroups: [''], resources: ['namespaces'], resourceNames: ['shop'], verbs: ['get'] },
    ]);
  });

  it('binds every role to its own ServiceAccount', () => {
    const bindings = synthesize({ name: 'tunnels', namespace: 'edge' }).filter(({ kind }) =>
      kind.endsWith('Binding'),
    );

    for (const { subjects } of bindings) {
      expect(subjects).to.deep.equal([{ kind: 'ServiceAccount', name: 'tunnels', namespace: 'edge' }]);
    }
    expect(bindings).to.have.length(3);
  });

  it('asks for no leader election rights without leader election', () => {
    const manifests = synthesize({ leaderElection: false });

    expect(named(manifests).join()).not.to.contain('leader-election');
    expect(JSON.stringify(manifests)).not.to.contain('--leader-elect');
  });

  it('refuses a standby that nobody elects, and says what is missing', () => {
    expect(() => synthesize({ replicas: 2, leaderElection: false })).to.throw(
      'replicas over 1 need leaderElection',
    );
    expect(synthesize({ replicas: 2 }).at(-1).spec.replicas).to.equal(2);
  });

  it('adds the user’s annotations to every object; those of the ServiceAccount win', () => {
    const serviceAccount = { annotations: { role: 'arn:edge' } };
    const manifests = synthesize({ annotations: { team: 'edge', role: 'none' }, serviceAccount });

    for (const { kind, metadata } of manifests) {
      const role = kind === 'ServiceAccount' ? 'arn:edge' : 'none';
      expect(metadata.annotations, kind).to.deep.equal({ team: 'edge', role });
    }
    expect(JSON.stringify(synthesize())).not.to.contain('annotations');
  });

  it('adds the user’s labels to every object, never to the selector', () => {
    const manifests = synthesize({ labels: { team: 'edge', 'app.kubernetes.io/name': 'forged' } });

    for (const { metadata, spec } of manifests) {
      expect(metadata.labels).to.include({ team: 'edge', 'app.kubernetes.io/name': 'rstream-operator' });
      if (spec?.selector) expect(spec.selector.matchLabels).not.to.have.property('team');
    }
  });
});

describe('the manager’s rights', () => {
  const verbsOn = (group: string, resource: string) =>
    MANAGER_RULES.filter(
      ({ apiGroups, resources }) => apiGroups?.includes(group) && resources?.includes(resource),
    ).flatMap(({ verbs }) => verbs);

  it('read Secrets and never write them', () => {
    expect(verbsOn('', 'secrets')).to.have.members(['get', 'list', 'watch']);
  });

  it('cover what an agent is granted, or Kubernetes would refuse the grant', () => {
    expect(verbsOn('tunnels.rstream.io', 'rstreamtunnels')).to.include('get');
    expect(verbsOn('tunnels.rstream.io', 'rstreamtunnels/status')).to.have.members(['get', 'patch']);
  });

  it('never contain a wildcard, bind, escalate or impersonate', () => {
    const words = JSON.stringify(MANAGER_RULES);

    for (const word of ['"*"', 'bind"', 'escalate', 'impersonate']) expect(words).not.to.contain(word);
  });
});

describe('rights for people', () => {
  const role = (name: string) =>
    synthesize().find(({ metadata }) => metadata.name === `rstream-operator-${name}`);

  it('let viewers read and only editors write', () => {
    expect(role('view').rules[0].verbs).to.deep.equal(['get', 'list', 'watch']);
    expect(role('view').metadata.labels).to.include({
      'rbac.authorization.k8s.io/aggregate-to-view': 'true',
    });
    expect(role('edit').metadata.labels).not.to.have.property('rbac.authorization.k8s.io/aggregate-to-view');
    expect(role('edit').metadata.labels).to.include({
      'rbac.authorization.k8s.io/aggregate-to-edit': 'true',
      'rbac.authorization.k8s.io/aggregate-to-admin': 'true',
    });
  });
});
