// Values of the chart that decide what is installed, under which names and with which rights.

import { expect } from 'chai';
import { CHART_VALUES } from '../../charts-ts/helm/values.ts';
import { MANAGER_RESOURCES } from '../../charts-ts/manager.ts';
import { RESTRICTED_CONTAINER, RESTRICTED_POD } from '../../charts-ts/pod-security.ts';
import { GO_VALUES } from './go-chart.ts';
import { container, type HelmCase, MANAGER_NAME, nameOf, pod } from './helm-case.ts';

const LONG = 'a'.repeat(63);

export const INSTALL_CASES: readonly HelmCase[] = [
  {
    title: 'default to one restricted manager for the whole cluster',
    check: (find) => {
      expect(find('Deployment').map(nameOf)).to.deep.equal([MANAGER_NAME]);
      expect(find('ClusterRole').map(nameOf)).to.include(`${MANAGER_NAME}-manager-role`);
      expect(pod(find).securityContext).to.deep.equal(RESTRICTED_POD);
      expect(container(find).securityContext).to.deep.equal(RESTRICTED_CONTAINER);
      expect(container(find).resources).to.deep.equal(MANAGER_RESOURCES);
      expect(find('CustomResourceDefinition')).to.have.length(2);
      expect(find('Job')).to.deep.equal([]);
    },
  },
  {
    title: 'keep the selector, container and port names of the Go operator’s chart',
    check: (find) => {
      expect(find('Deployment')[0].spec.selector.matchLabels).to.deep.equal({
        'app.kubernetes.io/name': 'rstream-operator',
        'app.kubernetes.io/instance': 'tunnels',
        'app.kubernetes.io/component': 'manager',
      });
      expect(container(find).name).to.equal('manager');
      expect(container(find).ports).to.deep.equal([
        { name: 'metrics', containerPort: 8080 },
        { name: 'health', containerPort: 8081 },
      ]);
    },
  },
  {
    title: 'take every value of the Go operator’s chart',
    values: { ...GO_VALUES, replicaCount: 2, podLabels: { team: 'edge' }, metrics: { bindAddress: ':9090' } },
    check: (find) => {
      const { replicas, template } = find('Deployment')[0].spec;
      expect(replicas).to.equal(2);
      expect(template.metadata.labels).to.include({ team: 'edge' });
      expect(container(find).image).to.equal('example.com/go-operator:v0.5.2');
      expect(container(find).resources).to.deep.equal(GO_VALUES.resources);
      expect(container(find).args).to.include('--metrics-bind-address=:9090');
      expect(find('CustomResourceDefinition')).to.have.length(2);
    },
  },
  {
    title: 'keep CRDs when the release is uninstalled',
    check: (find) => {
      for (const { metadata } of find('CustomResourceDefinition')) {
        expect(metadata.annotations).to.deep.equal({ 'helm.sh/resource-policy': 'keep' });
      }
    },
  },
  {
    title: 'installCRDs=false leaves CRDs to somebody else',
    values: { installCRDs: false },
    check: (find) => expect(find('CustomResourceDefinition')).to.deep.equal([]),
  },
  {
    title: 'replicaCount',
    values: { replicaCount: 3 },
    check: (find) => expect(find('Deployment')[0].spec.replicas).to.equal(3),
  },
  {
    title: 'replicaCount 0 pauses the operator',
    values: { replicaCount: 0 },
    check: (find) => expect(find('Deployment')[0].spec.replicas).to.equal(0),
  },
  {
    title: 'podLabels and commonLabels never touch the selector’s labels',
    values: {
      podLabels: { team: 'pods', 'app.kubernetes.io/component': 'forged' },
      commonLabels: { team: 'all', site: 'east' },
    },
    check: (find) => {
      const { metadata, spec } = find('Deployment')[0];
      expect(metadata.labels).to.include({ team: 'all', site: 'east' });
      expect(spec.template.metadata.labels).to.include({
        team: 'pods',
        site: 'east',
        ...spec.selector.matchLabels,
      });
      expect(spec.selector.matchLabels['app.kubernetes.io/component']).to.equal('manager');
    },
  },
  {
    title: 'commonAnnotations are on every object, and never replace the chart’s own',
    values: {
      commonAnnotations: { owner: 'edge', 'helm.sh/resource-policy': 'forged' },
      'serviceAccount.annotations': { owner: 'identity' },
    },
    check: (find) => {
      expect(find('Deployment')[0].metadata.annotations).to.include({ owner: 'edge' });
      expect(find('ClusterRole')[0].metadata.annotations).to.include({ owner: 'edge' });
      expect(find('ServiceAccount')[0].metadata.annotations).to.include({ owner: 'identity' });
      for (const { metadata } of find('CustomResourceDefinition')) {
        expect(metadata.annotations).to.deep.equal({ owner: 'edge', 'helm.sh/resource-policy': 'keep' });
      }
    },
  },
  {
    title: 'names that are cut where a kind allows no more',
    values: { fullnameOverride: LONG, 'metrics.service.enabled': true },
    check: (find) => {
      expect(find('Deployment').map(nameOf)).to.deep.equal([LONG]);
      expect(find('Service').map(nameOf)).to.deep.equal([`${LONG.slice(0, 55)}-metrics`]);
    },
  },
  {
    title: 'nameOverride',
    values: { nameOverride: 'edge' },
    check: (find) => {
      expect(find('Deployment').map(nameOf)).to.deep.equal(['tunnels-edge']);
      expect(find('Deployment')[0].spec.selector.matchLabels['app.kubernetes.io/name']).to.equal('edge');
    },
  },
  {
    title: 'nameOverride that the release’s name contains',
    values: { nameOverride: 'tunnel' },
    check: (find) => expect(find('Deployment').map(nameOf)).to.deep.equal(['tunnels']),
  },
  {
    title: 'fullnameOverride',
    values: { fullnameOverride: 'edge' },
    check: (find) => {
      expect(find('Deployment').map(nameOf)).to.deep.equal(['edge']);
      expect(find('ServiceAccount').map(nameOf)).to.deep.equal(['edge']);
      expect(find('ClusterRole').map(nameOf)).to.include('edge-manager-role');
    },
  },
  {
    title: 'serviceAccount.annotations',
    values: { 'serviceAccount.annotations': { role: 'arn:edge' } },
    check: (find) =>
      expect(find('ServiceAccount')[0].metadata.annotations).to.deep.equal({ role: 'arn:edge' }),
  },
  {
    title: 'serviceAccount.create=false runs as an existing one',
    values: { 'serviceAccount.create': false, 'serviceAccount.name': 'mine' },
    check: (find) => {
      expect(find('ServiceAccount')).to.deep.equal([]);
      expect(pod(find).serviceAccountName).to.equal('mine');
      for (const { subjects } of find('ClusterRoleBinding')) expect(subjects[0].name).to.equal('mine');
    },
  },
  {
    title: 'rbac.create=false makes no roles',
    values: { 'rbac.create': false },
    check: (find) => {
      for (const kind of ['Role', 'RoleBinding', 'ClusterRole', 'ClusterRoleBinding']) {
        expect(find(kind), kind).to.deep.equal([]);
      }
    },
  },
  {
    title: 'rbac.aggregate=false extends no ClusterRoles for people',
    values: { 'rbac.aggregate': false },
    check: (find) => expect(find('ClusterRole').map(nameOf)).to.deep.equal([`${MANAGER_NAME}-manager-role`]),
  },
  {
    title: 'watchNamespaces needs no ClusterRole of the manager’s',
    values: { watchNamespaces: ['shop', 'blog'], 'rbac.aggregate': false },
    check: (find) => {
      expect([...find('ClusterRole'), ...find('ClusterRoleBinding')]).to.deep.equal([]);
      const managers = find('Role').filter((role) => nameOf(role) === `${MANAGER_NAME}-manager-role`);
      expect(managers.map(({ metadata }) => metadata.namespace)).to.have.members(['shop', 'blog']);
      expect(find('Role').map(({ metadata }) => metadata.namespace)).not.to.include('kube-system');
      expect(container(find).args).to.include.members(['--watch-namespace=shop', '--watch-namespace=blog']);
    },
  },
  {
    title: 'say no more than their defaults when every default is given',
    values: Object.fromEntries(
      CHART_VALUES.filter(({ default: initial }) => initial !== null).map((value) => [
        value.path,
        value.default,
      ]),
    ),
    check: (find) => expect(find('Deployment').map(nameOf)).to.deep.equal([MANAGER_NAME]),
  },
];
