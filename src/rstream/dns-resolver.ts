// Name resolution by a server of the user's choice instead of the system's: plain, over TLS, and with DNSSEC (the server
// validates; its AD bit is required). Asks about both families at once, follows CNAME chains, asks the next address of the
// server when one fails, and remembers answers for as long as they say, since every dial-back asks again.

import { randomInt } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import * as dnsPacket from 'dns-packet';
import type { Clock } from '../common/clock.ts';
import { messageOf } from '../common/errors.ts';
import { unlessAborted } from '../common/unless-aborted.ts';
import { withDeadline } from './deadline.ts';
import { type DnsQuestion, type DnsServer, exchange } from './dns-exchange.ts';
import { RstreamError, TransportError } from './errors.ts';
import type { IpFamily } from './local-address.ts';

export interface DnsSettings {
  /** `host`, `host:port` or `[v6]:port`; port 53, or 853 with tls. */
  readonly override: string;
  readonly tls?: boolean | undefined;
  /** Name to verify with tls; needed when the override is an IP address. */
  readonly serverName?: string | undefined;
  /** Needs tls. */
  readonly dnssec?: boolean | undefined;
  /** PEM; replaces the system's roots for tls. */
  readonly ca?: string | undefined;
}

export interface ResolvedAddress {
  readonly address: string;
  readonly family: IpFamily;
}

interface Answer {
  readonly addresses: readonly ResolvedAddress[];
  readonly ttlMs: number;
  /** Why there is no answer, when there is none. */
  readonly failure?: unknown;
}

/** How a resolver given by name is found. */
type FindServer = (host: string) => Promise<readonly { readonly address: string }[]>;

const systemFind: FindServer = (host) => lookup(host, { all: true });

const exchangeTimeoutMs = 2_000;
const maxAliases = 8;
/** Every server is asked twice: a datagram may get lost. */
const rounds = 2;
const maxRememberedMs = 300_000;
const maxRememberedNames = 64;
const ednsBytes = 1_232;
/** How long IPv4 addresses wait for IPv6 ones (RFC 8305, section 3): some servers drop every question about IPv6. */
const resolutionDelayMs = 50;

const nothing: Answer = { addresses: [], ttlMs: maxRememberedMs };
const notAnswered = (cause: unknown): Answer => ({ ...nothing, failure: cause });

export class DnsResolver {
  readonly #settings: DnsSettings;
  readonly #host: string;
  readonly #port: number;
  readonly #clock: Clock;
  readonly #find: FindServer;
  readonly #remembered = new Map<
    string,
    { readonly until: number; readonly addresses: readonly ResolvedAddress[] }
  >();

  /** Throws ERR_RSTREAM_INVALID_CONFIG. */
  constructor(settings: DnsSettings, clock: Clock, find: FindServer = systemFind) {
    const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+))(?::([0-9]{1,5}))?$/.exec(settings.override.trim());
    const literal = isIP(settings.override.trim()) === 6 ? settings.override.trim() : undefined;
    const host = literal ?? match?.[1] ?? match?.[2];
    const port = literal || match?.[3] === undefined ? (settings.tls ? 853 : 53) : Number(match[3]);
    if (host === undefined || port < 1 || port > 65_535) refuse(`"${settings.override}" is not a DNS server`);
    if (settings.dnssec && !settings.tls) refuse('DNSSEC needs DNS over TLS');
    if (settings.tls && isIP(host) && !settings.serverName) {
      refuse('DNS over TLS to an IP address needs the server name to verify');
    }
    this.#settings = settings;
    this.#host = host;
    this.#port = port;
    this.#clock = clock;
    this.#find = find;
  }

  /** At least one address, IPv4 before IPv6. Rejects with TransportError ERR_RSTREAM_DNS or the signal's reason. */
  async resolve(
    name: string,
    family: IpFamily | undefined,
    signal: AbortSignal,
  ): Promise<readonly ResolvedAddress[]> {
    const key = `${family ?? 'any'} ${name}`;
    const known = this.#remembered.get(key);
    if (known && known.until > this.#clock.now()) return known.addresses;

    const servers = await this.#servers(signal);
    const ask = (one: IpFamily) => this.#follow(name, one, servers, signal).catch(notAnswered);
    const remember = (answer: Answer) => this.#remember(key, answer);
    const answer = family === undefined ? await this.#both(ask, remember) : await ask(family);
    signal.throwIfAborted();
    remember(answer);
    if (answer.addresses.length > 0) return answer.addresses;
    const cause = answer.failure;
    const why = cause === undefined ? `it has no IPv${family ?? '4 or IPv6'} address` : messageOf(cause);
    throw failure(`resolving ${name} failed: ${why}`, cause);
  }

  /** IPv6 addresses that keep IPv4 ones waiting for too long go to `late` instead. */
  async #both(ask: (family: IpFamily) => Promise<Answer>, late: (answer: Answer) => void): Promise<Answer> {
    const asked = { four: ask(4), six: ask(6) };
    const four = await asked.four;
    if (four.addresses.length === 0) return joined(four, await asked.six);
    return new Promise((resolve) => {
      let inTime = true;
      const timer = this.#clock.after(resolutionDelayMs, () => {
        inTime = false;
        resolve(four);
      });
      asked.six.then((six) => {
        timer.cancel();
        if (inTime) resolve(joined(four, six));
        else if (six.addresses.length > 0) late(joined(four, six));
      });
    });
  }

  #remember(key: string, { addresses, ttlMs }: Answer): void {
    this.#remembered.delete(key);
    if (addresses.length === 0 || ttlMs <= 0) return;
    this.#remembered.set(key, { until: this.#clock.now() + ttlMs, addresses });
    const [oldest] = this.#remembered.keys();
    if (this.#remembered.size > maxRememberedNames && oldest !== undefined) this.#remembered.delete(oldest);
  }

  async #follow(
    name: string,
    family: IpFamily,
    servers: readonly DnsServer[],
    signal: AbortSignal,
  ): Promise<Answer> {
    const type = family === 4 ? 'A' : 'AAAA';
    let current = name;
    let ttlMs = maxRememberedMs;
    let aliases = 0;
    for (;;) {
      const answers = await this.#ask({ name: current, type }, servers, signal);
      for (const answer of answers) if ('ttl' in answer) ttlMs = Math.min(ttlMs, (answer.ttl ?? 0) * 1_000);
      for (;;) {
        const addresses = addressesOf(answers, current, type).map((address) => ({ address, family }));
        if (addresses.length > 0) return { addresses, ttlMs };
        const alias = aliasOf(answers, current);
        if (alias === undefined) break;
        aliases += 1;
        if (aliases > maxAliases) throw failure(`more than ${maxAliases} aliases`);
        current = alias;
      }
      if (!answers.some((answer) => answer.type === 'CNAME')) return nothing;
    }
  }

  /** The answer section of the first server that answers properly; empty when the name does not exist. */
  async #ask(
    question: DnsQuestion,
    servers: readonly DnsServer[],
    signal: AbortSignal,
  ): Promise<readonly dnsPacket.Answer[]> {
    const query = this.#query(question);
    let last: unknown = failure('the DNS server has no address');
    for (const server of Array.from({ length: rounds }, () => servers).flat()) {
      try {
        const deadline = {
          clock: this.#clock,
          timeoutMs: exchangeTimeoutMs,
          what: 'asking the DNS server',
          signal,
        };
        const answer = await withDeadline(deadline, (inTime) => exchange(server, question, query, inTime));
        return this.#accept(answer);
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        last = error;
      }
    }
    throw last;
  }

  #accept(answer: dnsPacket.DecodedPacket): readonly dnsPacket.Answer[] {
    const code = 'rcode' in answer ? String(answer.rcode) : 'unknown';
    if (code !== 'NOERROR' && code !== 'NXDOMAIN') throw failure(`the DNS server answered ${code}`);
    const answers = answer.answers ?? [];
    const positive = answers.length > 0 || code === 'NXDOMAIN';
    if (this.#settings.dnssec && positive && !answer.flag_ad) {
      throw failure('the answer is not authenticated by DNSSEC');
    }
    return code === 'NXDOMAIN' ? [] : answers;
  }

  #query({ name, type }: DnsQuestion): Buffer {
    const { dnssec } = this.#settings;
    const options: dnsPacket.OptAnswer = {
      type: 'OPT',
      name: '.',
      udpPayloadSize: ednsBytes,
      extendedRcode: 0,
      ednsVersion: 0,
      flags: dnssec ? dnsPacket.DNSSEC_OK : 0,
      flag_do: dnssec ?? false,
      options: [],
    };
    return dnsPacket.encode({
      type: 'query',
      id: randomInt(65_536),
      flags: dnsPacket.RECURSION_DESIRED | (dnssec ? dnsPacket.AUTHENTIC_DATA : 0),
      questions: [{ type, name, class: 'IN' }],
      additionals: [options],
    });
  }

  /** A server given by name is looked up by the system, and each of its addresses may be asked. */
  async #servers(signal: AbortSignal): Promise<readonly DnsServer[]> {
    const { tls, serverName, ca } = this.#settings;
    const secure = tls ? { tls: { serverName: serverName || this.#host, ca } } : {};
    if (isIP(this.#host)) return [{ address: this.#host, port: this.#port, ...secure }];
    try {
      const found = await unlessAborted(this.#find(this.#host), signal);
      return found.map(({ address }) => ({ address, port: this.#port, ...secure }));
    } catch (cause) {
      if (signal.aborted) throw signal.reason;
      throw failure(`the DNS server ${this.#host} was not found: ${messageOf(cause)}`, cause);
    }
  }
}

function joined(four: Answer, six: Answer): Answer {
  return {
    addresses: [...four.addresses, ...six.addresses],
    ttlMs: Math.min(four.ttlMs, six.ttlMs),
    failure: four.failure ?? six.failure,
  };
}

function addressesOf(
  answers: readonly dnsPacket.Answer[],
  name: string,
  type: 'A' | 'AAAA',
): readonly string[] {
  const found: string[] = [];
  for (const answer of answers) {
    if (answer.type !== type || !sameName(answer.name, name) || typeof answer.data !== 'string') continue;
    if (isIP(answer.data)) found.push(answer.data);
  }
  return found;
}

function aliasOf(answers: readonly dnsPacket.Answer[], name: string): string | undefined {
  for (const answer of answers) {
    if (answer.type === 'CNAME' && sameName(answer.name, name)) return answer.data;
  }
  return undefined;
}

function sameName(a: string, b: string): boolean {
  return a.replace(/\.$/, '').toLowerCase() === b.replace(/\.$/, '').toLowerCase();
}

function failure(message: string, cause?: unknown): TransportError {
  return new TransportError(message, { code: 'ERR_RSTREAM_DNS', cause });
}

function refuse(message: string): never {
  throw new RstreamError('ERR_RSTREAM_INVALID_CONFIG', message);
}
