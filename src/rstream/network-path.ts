// How connections leave this machine: local address, address family, name resolution, proxy. The default is the system's
// own way (its resolver, both families raced).

import { lookup } from 'node:dns';
import { connect, isIP, type LookupFunction, type Socket, type TcpSocketConnectOpts } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Duplex } from 'node:stream';
import type { Clock } from '../common/clock.ts';
import { messageOf } from '../common/errors.ts';
import { unlessAborted } from '../common/unless-aborted.ts';
import { DnsResolver, type DnsSettings, type ResolvedAddress } from './dns-resolver.ts';
import { type EngineAddress, formatEngineAddress } from './engine-address.ts';
import { TransportError } from './errors.ts';
import { type HttpProxy, type HttpProxySettings, openProxyTunnel, parseHttpProxy } from './http-proxy.ts';
import { type Bind, type Interfaces, type IpFamily, localAddress } from './local-address.ts';

export interface NetworkSettings {
  readonly bind?: Bind | undefined;
  /** Absent: either. */
  readonly family?: IpFamily | undefined;
  readonly dns?: DnsSettings | undefined;
  readonly proxy?: HttpProxySettings | undefined;
}

export interface RemoteAddress extends ResolvedAddress {
  readonly port: number;
  /** To bind to, when one was asked for. */
  readonly localAddress: string | undefined;
}

export interface NetworkPath {
  /** The engine's first address, for datagrams. */
  resolve(engine: EngineAddress, signal: AbortSignal): Promise<RemoteAddress>;
  /** Options for a TCP connection straight to the engine. */
  socketOptions(engine: EngineAddress, signal: AbortSignal): Promise<TcpSocketConnectOpts>;
  /** A connection through which to speak TLS with the engine, when it must not be reached straight. */
  readonly tunnel?: ((engine: EngineAddress, signal: AbortSignal) => Promise<Duplex>) | undefined;
}

export const systemPath: NetworkPath = {
  socketOptions: async ({ host, port }) => ({ host, port }),
  resolve: (engine, signal) =>
    unlessAborted(firstAddress(engine, { host: engine.host, port: engine.port }), signal),
};

/** Throws ERR_RSTREAM_INVALID_CONFIG; interfaces are looked at anew for each connection. */
export function createNetworkPath(
  settings: NetworkSettings,
  clock: Clock,
  interfaces: () => Interfaces = networkInterfaces,
): NetworkPath {
  const { bind, family, dns, proxy } = settings;
  const resolver = dns && new DnsResolver(dns, clock);
  const httpProxy = proxy && parseHttpProxy(proxy);
  if (bind?.mode === 'address') localAddress(bind, family, {});

  const direct = async (target: EngineAddress, signal: AbortSignal): Promise<TcpSocketConnectOpts> => {
    const local = bind && localAddress(bind, family, interfaces());
    const remoteFamily = family ?? local?.family;
    checkFamily(target.host, remoteFamily);
    const found =
      resolver && !isIP(target.host) ? await resolver.resolve(target.host, remoteFamily, signal) : undefined;
    return {
      host: target.host,
      port: target.port,
      ...(local && { localAddress: local.address }),
      ...(remoteFamily && { family: remoteFamily }),
      ...(found && { lookup: fixedLookup(found) }),
    };
  };
  const resolve = async (engine: EngineAddress, signal: AbortSignal) =>
    unlessAborted(firstAddress(engine, await direct(engine, signal)), signal);
  if (!httpProxy) return { socketOptions: direct, resolve };

  const tunnel = async (engine: EngineAddress, signal: AbortSignal): Promise<Duplex> => {
    // With a name policy of its own, the user trusts no resolver but that one: not the proxy's either.
    const custom = resolver !== undefined || family !== undefined;
    const authority = formatEngineAddress(custom ? await byAddress(engine, signal) : engine);
    const socket = await connectTcp(await direct(httpProxy, signal), httpProxy, signal);
    return openProxyTunnel(socket, httpProxy, authority, signal);
  };
  const byAddress = async (engine: EngineAddress, signal: AbortSignal): Promise<EngineAddress> => {
    const { address, port } = await resolve(engine, signal);
    return { host: address, port };
  };
  return { socketOptions: direct, resolve, tunnel };
}

/** The engine by its first address, found the way a direct connection would find it. */
function firstAddress({ host }: EngineAddress, options: TcpSocketConnectOpts): Promise<RemoteAddress> {
  const { lookup: find = lookup, family, port, localAddress: local } = options;
  const found = (address: string): RemoteAddress => ({
    address,
    port,
    family: isIP(address) === 6 ? 6 : 4,
    localAddress: local,
  });
  if (isIP(host)) return Promise.resolve(found(host));
  return new Promise((resolve, reject) => {
    find(host, { family: family ?? 0, all: false }, (error, address) => {
      if (error) reject(new TransportError(messageOf(error), { code: 'ERR_RSTREAM_DNS', cause: error }));
      else resolve(found(String(address)));
    });
  });
}

function checkFamily(host: string, family: IpFamily | undefined): void {
  const own = isIP(host);
  if (own === 0 || family === undefined || own === family) return;
  throw new TransportError(`${host} is not an IPv${family} address, which is the only family allowed`);
}

function fixedLookup(found: readonly ResolvedAddress[]): LookupFunction {
  return (_host, { all }, callback) => {
    const [first] = found;
    if (all) callback(null, [...found]);
    else callback(null, first?.address ?? '', first?.family);
  };
}

function connectTcp(options: TcpSocketConnectOpts, proxy: HttpProxy, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...options, allowHalfOpen: true });
    const settle = (error?: Error) => {
      signal.removeEventListener('abort', onAbort);
      if (!error) return resolve(socket);
      socket.destroy();
      reject(error);
    };
    const onAbort = () => settle(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('connect', () => settle());
    socket.on('error', (cause) => {
      const message = `connecting to the proxy ${formatEngineAddress(proxy)} failed: ${messageOf(cause)}`;
      settle(new TransportError(message, { code: 'ERR_RSTREAM_PROXY', cause }));
    });
  });
}
