import { expect } from 'chai';
import { managerCommand, parseFlags } from '../../src/manager/flags.ts';

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

  const refused: readonly (readonly [string, readonly string[], string])[] = [
    ['no image', [], "required option '--agent-image <image>' not specified"],
    ['an empty image', ['--agent-image', ''], 'It is empty.'],
    ['a flag that there is not', ['--agent-image', 'a', '--colour'], "unknown option '--colour'"],
    ['a duration without a unit', ['--lease-duration', '15'], 'It must be a duration like 15s'],
    ['a duration of nothing', ['--retry-period', '0s'], 'It must be a duration like 15s'],
    ['half a worker', ['--workers', '0.5'], 'It must be a whole number.'],
    ['no requests at all', ['--kube-api-qps', '0'], 'It must be a number above 0.'],
    ['an address without a port', ['--metrics-bind-address', '80'], 'write HOST:PORT or :PORT'],
    ['a range that is none', ['--control-plane-allow-cidr', '10.0.0.0/33'], '10.0.0.0/33'],
    ['a policy that there is not', ['--cross-namespace-targets', 'maybe'], 'grant, allow, deny'],
  ];
  for (const [what, argv, words] of refused) {
    it(`refuse ${what}, and say what to write`, () => {
      const command = managerCommand()
        .exitOverride()
        .configureOutput({ writeErr: () => {} });
      expect(() => command.parse(argv, { from: 'user' })).to.throw(words);
    });
  }
});
