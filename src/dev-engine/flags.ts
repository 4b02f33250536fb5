// The command line of the dev engine: each flag documented, each value checked before anything is started.

import { Command, InvalidArgumentError, Option } from 'commander';
import { messageOf } from '../common/errors.ts';
import { type ListenAddress, parseListenAddress } from '../common/listen-address.ts';
import { parseCommand } from '../common/parse-command.ts';
import type { ConflictPolicy } from './routes.ts';
import type { PortRange } from './tcp-ports.ts';
import { type CountryRange, rangeList } from './visitor-access.ts';

export interface Flags {
  readonly listen: ListenAddress;
  readonly token: readonly string[];
  readonly caFile: string;
  readonly tcpPorts?: PortRange;
  readonly domain: string;
  readonly endpoint: string;
  readonly customDomain: readonly string[];
  readonly advertise?: ListenAddress;
  readonly controlPlaneListen?: ListenAddress;
  readonly adminListen?: ListenAddress;
  readonly hostnameConflict: ConflictPolicy;
  readonly streamsOnClose: 'keep' | 'cut';
  readonly streamTimeout: number;
  readonly region: readonly string[];
  readonly country: readonly CountryRange[];
  readonly maxConnections: number;
  readonly quic: boolean;
  readonly recordLimit: number;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
}

/** Parses the arguments after the script's name. Help and mistakes end the process. */
export function parseFlags(args: readonly string[]): Flags {
  return parseCommand<Flags>(buildCommand(), args);
}

export function buildCommand(): Command {
  const command = new Command('dev-engine').description(
    'A local rstream engine for demos, tests and offline development. Never a production edge.',
  );
  for (const one of [...ownOptions(), ...namesOptions(), ...listenOptions(), ...conductOptions()]) {
    command.addOption(one);
  }
  return command;
}

function ownOptions(): Option[] {
  return [
    option('--listen <host:port>', 'TLS port for agents, the HTTP API and published names', address).default(
      parseListenAddress('127.0.0.1:8443'),
      '127.0.0.1:8443',
    ),
    option(
      '--token <token>',
      'account token that is accepted; repeatable; none: one is made and printed',
      repeated,
    ),
    new Option(
      '--ca-file <path>',
      'certificate authority, made here and in PATH.key unless both exist',
    ).default('dev-engine-ca.pem'),
    new Option('--log-level <level>', 'on stderr')
      .choices(['debug', 'info', 'warn', 'error'])
      .default('info'),
  ];
}

function namesOptions(): Option[] {
  return [
    option('--domain <name>', 'names are minted as <slug>-<endpoint>.t.<domain>', dnsName).default(
      'engine.localhost',
    ),
    option('--endpoint <label>', "the project's endpoint", dnsLabel).default('0de7e460'),
    option(
      '--custom-domain <name>',
      'a further domain tunnels may ask for names under; repeatable',
      repeatedDomain,
    ).default([], 'none'),
    option(
      '--advertise <host:port>',
      'what clients and visitors reach this engine by; default: the listen address',
      address,
    ),
    option('--region <name>', 'a region of the project in the control plane; repeatable', repeated).default(
      [],
      'none',
    ),
    option('--country <cidr=CC>', 'addresses that count as a country for geoip; repeatable', country).default(
      [],
      'none',
    ),
  ];
}

function listenOptions(): Option[] {
  return [
    option('--tcp-ports <from-to>', 'ports given to tcp tunnels; none: tcp tunnels are refused', portRange),
    option('--control-plane-listen <host:port>', 'project resolution, HTTP and HTTPS on one port', address),
    option('--admin-listen <host:port>', 'fault switches and records, plain HTTP; keep it private', address),
    new Option('--no-quic', 'do not open the port over UDP'),
  ];
}

function conductOptions(): Option[] {
  return [
    new Option('--hostname-conflict <policy>', 'when a name or port is held already')
      .choices(['refuse', 'takeover', 'share'])
      .default('refuse'),
    new Option('--streams-on-close <what>', 'established streams when a tunnel or control channel is closed')
      .choices(['keep', 'cut'])
      .default('keep'),
    option('--stream-timeout <ms>', 'how long an agent may take to dial back', positiveInteger).default(
      30_000,
    ),
    option('--max-connections <n>', 'connections at once on the TLS port', positiveInteger).default(8192),
    option('--record-limit <n>', 'records kept for the admin listener', positiveInteger).default(10_000),
  ];
}

function option<T>(
  flags: string,
  description: string,
  parse: (text: string, previous: T | undefined) => T,
): Option {
  return new Option(flags, description).argParser<T>((text, previous) => {
    try {
      return parse(text, previous);
    } catch (error) {
      throw new InvalidArgumentError(messageOf(error));
    }
  });
}

const address = (text: string): ListenAddress => parseListenAddress(text);

const repeated = (text: string, previous: readonly string[] = []): readonly string[] => {
  if (text === '') throw new InvalidArgumentError('it is empty');
  return [...previous, text];
};

function dnsName(text: string): string {
  if (
    !/^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/.test(
      text,
    )
  ) {
    throw new InvalidArgumentError('it is not a lower-case DNS name');
  }
  return text;
}

function dnsLabel(text: string): string {
  if (text.includes('.') || text.length > 53)
    throw new InvalidArgumentError('it is not one label of at most 53 characters');
  return dnsName(text);
}

const repeatedDomain = (text: string, previous: readonly string[] = []) => [...previous, dnsName(text)];

function portRange(text: string): PortRange {
  const match = /^(\d{1,5})-(\d{1,5})$/.exec(text);
  const [from, to] = [Number(match?.[1]), Number(match?.[2])];
  if (!match || from < 1 || from > to || to > 65_535)
    throw new InvalidArgumentError('write FROM-TO, for example 20000-20099');
  return { from, to };
}

function positiveInteger(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('it is not a positive whole number');
  return Number(text);
}

function country(text: string, previous: readonly CountryRange[] = []): readonly CountryRange[] {
  const [range = '', code = ''] = text.split('=');
  if (!/^[A-Z]{2}$/.test(code)) throw new InvalidArgumentError('write CIDR=CC, for example 127.0.0.0/8=FR');
  rangeList([range]);
  return [...previous, { range, country: code }];
}
