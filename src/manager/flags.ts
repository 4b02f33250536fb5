// The manager's command line: every flag, its default, and what it may hold.

import { Command, InvalidArgumentError, Option } from 'commander';
import { parseDuration } from '../common/duration.ts';
import { messageOf } from '../common/errors.ts';
import { parseListenAddress } from '../common/listen-address.ts';
import type { LogFormat, LogLevel } from '../common/logging.ts';
import { parseCommand } from '../common/parse-command.ts';
import { type Cidr, parseCidr } from './address-policy.ts';

export type CrossNamespaceTargets = 'grant' | 'allow' | 'deny';

export interface ManagerFlags {
  readonly kubeconfig?: string;
  readonly agentImage: string;
  readonly leaderElect: boolean;
  readonly leaderElectionNamespace?: string;
  readonly leaderElectionId: string;
  readonly leaseDuration: number;
  readonly renewDeadline: number;
  readonly retryPeriod: number;
  readonly metricsBindAddress: string;
  readonly healthProbeBindAddress: string;
  readonly watchNamespace: readonly string[];
  readonly clusterId?: string;
  readonly crossNamespaceTargets: CrossNamespaceTargets;
  readonly allowExternalName: boolean;
  readonly allowInsecureControlPlane: boolean;
  readonly controlPlaneAllowCidr: readonly Cidr[];
  readonly allowedEngines: readonly string[];
  readonly allowedAgentImages: readonly string[];
  readonly workers: number;
  readonly kubeApiQps: number;
  readonly kubeApiBurst: number;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
}

/** Parses argv without the executable's own name. Help and mistakes end the process. */
export function parseFlags(argv: readonly string[]): ManagerFlags {
  const command = managerCommand();
  const flags = parseCommand<ManagerFlags>(command, argv);
  const problem = leaseProblem(flags);
  if (problem !== undefined) command.error(problem);
  return flags;
}

export function managerCommand(): Command {
  const command = new Command('rstream-manager')
    .description('Reconciles RstreamConnections and RstreamTunnels.')
    .helpOption('-h, --help', 'print this and exit')
    .allowExcessArguments(false);
  for (const option of [...clusterOptions(), ...electionOptions(), ...servingOptions(), ...policyOptions()]) {
    command.addOption(option);
  }
  return command;
}

function clusterOptions(): Option[] {
  return [
    new Option('--kubeconfig <file>', 'kubeconfig to use; absent: the credentials of the Pod'),
    new Option('--agent-image <image>', 'image of the agents whose tunnel names none')
      .argParser(notEmpty)
      .makeOptionMandatory(),
    new Option('--watch-namespace <namespace>', 'namespace to work in; repeatable; absent: all of them')
      .argParser(collect)
      .default([], 'all'),
    new Option(
      '--cluster-id <id>',
      'identity that hostnames are derived from; absent: the UID of namespace kube-system',
    ),
    new Option('--workers <count>', 'tunnels reconciled at the same time')
      .argParser(positiveInteger)
      .default(32),
    new Option('--kube-api-qps <rate>', 'requests per second to the API server, sustained')
      .argParser(positive)
      .default(400),
    new Option('--kube-api-burst <count>', 'requests that may be sent at once above the rate')
      .argParser(positiveInteger)
      .default(400),
  ];
}

function electionOptions(): Option[] {
  return [
    new Option('--leader-elect', 'work only while holding a Lease, so that several managers may run').default(
      false,
    ),
    new Option(
      '--leader-election-namespace <namespace>',
      'namespace of the Lease; absent: the Pod\'s own, else "default"',
    ),
    new Option('--leader-election-id <name>', 'name of the Lease').default(
      'rstream-operator.tunnels.rstream.io',
    ),
    new Option('--lease-duration <duration>', 'how long others wait for a silent leader')
      .argParser(duration)
      .default(15_000, '15s'),
    new Option('--renew-deadline <duration>', 'how long the leader tries to renew before it stops working')
      .argParser(duration)
      .default(10_000, '10s'),
    new Option('--retry-period <duration>', 'pause between attempts to take or renew the Lease')
      .argParser(duration)
      .default(2_000, '2s'),
  ];
}

function servingOptions(): Option[] {
  return [
    new Option('--metrics-bind-address <address>', 'HOST:PORT of /metrics')
      .argParser(listenAddress)
      .default(':8080'),
    new Option('--health-probe-bind-address <address>', 'HOST:PORT of /healthz and /readyz')
      .argParser(listenAddress)
      .default(':8081'),
    new Option('--log-level <level>', 'lowest level logged')
      .choices(['debug', 'info', 'warn', 'error'])
      .default('info'),
    new Option('--log-format <format>', 'lines for machines or for people')
      .choices(['json', 'text'])
      .default('json'),
  ];
}

function policyOptions(): Option[] {
  return [
    new Option(
      '--cross-namespace-targets <policy>',
      'Services of other namespaces: with a ReferenceGrant, always, never',
    )
      .choices(['grant', 'allow', 'deny'])
      .default('grant'),
    new Option('--allow-external-name', 'let tunnels target Services of type ExternalName').default(false),
    new Option('--allow-insecure-control-plane', 'let spec.apiURL be http').default(false),
    new Option(
      '--control-plane-allow-cidr <cidr>',
      'non-public addresses a control plane may have; repeatable',
    )
      .argParser(collectCidr)
      .default([], 'none'),
    new Option(
      '--allowed-engines <pattern>',
      'engines (host:port) that may be used, * is a wildcard; repeatable',
    )
      .argParser(collect)
      .default([], 'any'),
    new Option(
      '--allowed-agent-images <pattern>',
      'values spec.agent.image may have, * is a wildcard; repeatable',
    )
      .argParser(collect)
      .default([], 'any'),
  ];
}

function notEmpty(text: string): string {
  if (text.trim() === '') throw new InvalidArgumentError('It is empty.');
  return text;
}

function collect(value: string, previous: readonly string[]): readonly string[] {
  return [...previous, ...value.split(',').map((part) => part.trim())].filter((part) => part !== '');
}

function collectCidr(value: string, previous: readonly Cidr[]): readonly Cidr[] {
  return [...previous, ...collect(value, []).map((text) => orInvalid(() => parseCidr(text)))];
}

function positive(text: string): number {
  const number = Number(text);
  if (!(number > 0) || !Number.isFinite(number))
    throw new InvalidArgumentError('It must be a number above 0.');
  return number;
}

function positiveInteger(text: string): number {
  const number = positive(text);
  if (!Number.isInteger(number)) throw new InvalidArgumentError('It must be a whole number.');
  return number;
}

function duration(text: string): number {
  const milliseconds = parseDuration(text);
  if (!milliseconds) throw new InvalidArgumentError('It must be a duration like 15s, 500ms or 1m.');
  return milliseconds;
}

function listenAddress(text: string): string {
  orInvalid(() => parseListenAddress(text));
  return text;
}

function orInvalid<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new InvalidArgumentError(messageOf(error));
  }
}

function leaseProblem(flags: ManagerFlags): string | undefined {
  if (flags.leaseDuration <= flags.renewDeadline)
    return '--lease-duration must be longer than --renew-deadline';
  if (flags.renewDeadline <= flags.retryPeriod) return '--renew-deadline must be longer than --retry-period';
  return undefined;
}
