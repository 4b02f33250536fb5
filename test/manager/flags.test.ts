import { expect } from 'chai';
import { parseFlags } from '../../src/manager/flags.ts';

describe('the manager’s flags', () => {
  it('allow nothing that the administrator did not ask for', () => {
    expect(parseFlags(['--agent-image', 'agent:test'])).to.deep.equal({
      agentImage: 'agent:test',
      watchNamespace: [],
      workers: 32,
      kubeApiQps: 400,
      kubeApiBurst: 400,
      leaderElect: false,
      leaderElectionId: 'rstream-operator.tunnels.rstream.io',
      leaseDuration: 15_000,
      renewDeadline: 10_000,
      retryPeriod: 2_000,
      metricsBindAddress: ':8080',
      healthProbeBindAddress: ':8081',
      logLevel: 'info',
      logFormat: 'json',
      crossNamespaceTargets: 'grant',
      allowExternalName: false,
      allowInsecureControlPlane: false,
      controlPlaneAllowCidr: [],
      allowedEngines: [],
      allowedAgentImages: [],
    });
  });

  it('take lists flag by flag and comma by comma', () => {
    const lists = ['--watch-namespace', 'a, b', '--watch-namespace', 'c', '--allowed-engines', 'x,'];
    const flags = parseFlags(['--agent-image', 'agent:test', ...lists]);
    expect(flags.watchNamespace).to.deep.equal(['a', 'b', 'c']);
    expect(flags.allowedEngines).to.deep.equal(['x']);
  });
});
