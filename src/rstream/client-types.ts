// The client's public shapes: what opening a control channel takes, and what a channel and its tunnels promise.

import type { ServerDetails, TunnelProperties } from '../../generated/protobuf/rstream_pb.js';
import type { Clock } from '../common/clock.ts';
import type { EngineAddress } from './engine-address.ts';
import type { RstreamError } from './errors.ts';
import type { ProxiedStream } from './stream.ts';
import type { Transport } from './transport.ts';
import type { TunnelRequest } from './tunnel-properties.ts';

export interface ControlChannelOptions {
  readonly engine: EngineAddress;
  readonly transport: Transport;
  /** The account token; absent with a client certificate. */
  readonly token?: string | undefined;
  /** What the engine's inventory shows as this client's version. */
  readonly version?: string;
  readonly clock: Clock;
  /** Milliseconds between heartbeats, 1 000 to 300 000; `off` sends none. Default 5 000. */
  readonly heartbeatIntervalMs?: number | 'off';
  /** Whether dial-backs skip the engine's answer; default true. */
  readonly zeroRtt?: boolean;
  readonly timeouts?: Partial<ClientTimeouts>;
  readonly limits?: Partial<ClientLimits>;
  /** Asked before each dial-back; a request for which there is no room is answered with an error. Default: always. */
  readonly hasRoom?: HasRoom;
  /** Told about dial-backs, for metrics and logs. Its methods must not throw. */
  readonly observer?: ControlObserver;
}

export interface ClientTimeouts {
  /** Name resolution, TCP and TLS together; default 15 000. */
  readonly connectMs: number;
  /** Answers of the engine to opening and closing a channel or a tunnel; default 30 000. */
  readonly operationMs: number;
  /** One dial-back, from connect to delivery; default 10 000. */
  readonly dialBackMs: number;
  /** How long a release waits for CloseTunnelRsp; default 5 000. */
  readonly releaseMs: number;
}

export interface ClientLimits {
  /** Dial-backs at one time; default 256. */
  readonly activeDialBacks: number;
  /** Requests waiting for a place; one more is answered with an error; default 1 024. */
  readonly queuedDialBacks: number;
  /** Delivered streams nobody has accepted yet, per tunnel; default 256. */
  readonly unacceptedStreams: number;
  /** Tunnel requests awaiting their answer; default 1 024. */
  readonly pendingTunnels: number;
}

/** Whether a stream may be opened while so many dial-backs are under way. Must not throw. */
export type HasRoom = (underWay: number) => boolean;

export interface DialBackOutcome {
  readonly tunnelId: string;
  readonly streamId: string;
  readonly ms: number;
  readonly error?: unknown;
}

export interface ControlObserver {
  /** A dial-back ended after `ms` since its request arrived; no error means the stream was delivered. */
  dialBack?(outcome: DialBackOutcome): void;
  /** The engine had something to say to people. */
  serverMessage?(text: string): void;
  /** A heartbeat was written: the channel's own loop is alive. */
  heartbeat?(): void;
}

/** Why a control channel ended. After `soft` accepted streams live on, otherwise they were closed with it. */
export type ChannelEnd =
  | { readonly kind: 'clean'; readonly by: 'client' | 'engine' }
  | { readonly kind: 'soft'; readonly error: RstreamError }
  | { readonly kind: 'hard'; readonly error: RstreamError };

export interface ControlChannel {
  readonly clientId: string;
  readonly serverDetails: ServerDetails | undefined;
  readonly mode: 'tls' | 'quic';
  /** Resolves, never rejects, once the channel is over. */
  readonly done: Promise<ChannelEnd>;
  /**
   * Rejects with EngineError when the engine refuses, RstreamError ERR_RSTREAM_INVALID_TUNNEL before anything is sent,
   * OperationTimeoutError; the channel stays usable. A late success is closed again.
   */
  openTunnel(request: TunnelRequest, signal?: AbortSignal): Promise<Tunnel>;
  /** Tells the engine and closes every tunnel and stream. Concurrent calls share one request. Rejects on timeout, closed anyway. */
  close(): Promise<void>;
  /** Ends the connection without a word: tunnels end, accepted streams live on. */
  drop(): void;
}

/** `closed` by us, `released` by us, `revoked` by the engine, or gone with its channel. */
export type TunnelEnd = 'closed' | 'released' | 'revoked' | 'channel';

export interface Tunnel {
  readonly id: string;
  /** As the engine returned them: authoritative. */
  readonly properties: TunnelProperties;
  /** For people: `https://web.example.com`, `rstrm://name (unpublished)`, … */
  readonly forwardingAddress: string;
  /** Resolves when the tunnel serves no new streams any more. */
  readonly done: Promise<TunnelEnd>;
  /** The next delivered stream; undefined once the tunnel is done. */
  accept(): Promise<ProxiedStream | undefined>;
  /** Tells the engine, closes all its streams. Coalesced. Rejects on timeout, the tunnel then still open. */
  close(): Promise<void>;
  /**
   * Lets go of the tunnel for a successor: CloseTunnelReq is sent, requests are still answered until CloseTunnelRsp (or
   * releaseMs), dial-backs under way are delivered, accepted streams go on. Never rejects; keep accepting until undefined.
   */
  release(): Promise<void>;
}
