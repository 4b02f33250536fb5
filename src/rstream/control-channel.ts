// The control channel of an agent: opens it, keeps it alive, opens and closes tunnels on it, and dials back for the streams
// the engine announces. Flow: frames → message handlers → tunnels and dial-backs; nothing in the loop waits for anything.
// Guarantees: each request gets at most one answer, every map and queue is bounded, `done` always resolves, and accepted
// streams outlive the channel exactly when it ended softly.

import type {
  Message,
  ProxyConnReq,
  ServerDetails,
  TunnelProperties,
} from '../../generated/protobuf/rstream_pb.js';
import type { ChannelEnd, ControlChannel, ControlChannelOptions, Tunnel } from './client-types.ts';
import {
  type ControlSettings,
  controlSettings,
  type OpenedControl,
  openControl,
} from './control-handshake.ts';
import { ControlLink } from './control-link.ts';
import { withDeadline } from './deadline.ts';
import { ANSWER, DialBackQueue } from './dial-back-queue.ts';
import { ClientClosedError, ControlClosedError, OperationTimeoutError, ProtocolError } from './errors.ts';
import { Heartbeats } from './heartbeats.ts';
import { errorMessage } from './messages.ts';
import { ProxiedStreams } from './proxied-streams.ts';
import { ClientTunnel } from './tunnel.ts';
import { type TunnelRequest, tunnelProperties } from './tunnel-properties.ts';
import { TunnelRequests } from './tunnel-requests.ts';

/** Real ones have 24; an answer must always fit a frame. */
const maxStreamIdLength = 1_024;

/**
 * Opens a control channel. Rejects with EngineError when the engine refuses, TransportError, ProtocolError,
 * OperationTimeoutError, ClientClosedError when `signal` aborts first, or a configuration error before any traffic.
 */
export async function openControlChannel(
  options: ControlChannelOptions,
  signal?: AbortSignal,
): Promise<ControlChannel> {
  const settings = controlSettings(options);
  return new Channel(settings, await openControl(settings, signal));
}

class Channel implements ControlChannel {
  readonly clientId: string;
  readonly serverDetails: ServerDetails | undefined;
  readonly mode: 'tls' | 'quic';
  readonly done: Promise<ChannelEnd>;
  readonly #settings: ControlSettings;
  readonly #link: ControlLink;
  readonly #heartbeats: Heartbeats;
  readonly #streams: ProxiedStreams;
  readonly #dialBacks: DialBackQueue;
  readonly #tunnels = new Map<string, ClientTunnel>();
  readonly #requests: TunnelRequests<ClientTunnel>;
  readonly #over = Promise.withResolvers<ChannelEnd>();
  #end: ChannelEnd | undefined;
  #closing: Promise<void> | undefined;

  constructor(settings: ControlSettings, { connection, ok, heartbeats }: OpenedControl) {
    const { clock, limits, observer = {}, hasRoom } = settings;
    this.#settings = settings;
    this.clientId = ok.clientId;
    this.serverDetails = ok.serverDetails;
    this.mode = connection.mode;
    this.done = this.#over.promise;
    this.#link = new ControlLink(connection.stream, clock, {
      message: (message) => this.#handle(message),
      failed: (kind, error) => this.#finish({ kind, error }),
    });
    this.#heartbeats = new Heartbeats({
      mode: heartbeats,
      clock,
      send: (sequence, written) => {
        this.#link.send({ case: 'heartbeat', value: { sequence } }, written);
        observer.heartbeat?.();
      },
      expired: (error) => this.#finish({ kind: 'soft', error }),
    });
    this.#streams = new ProxiedStreams(settings, connection, (streamId) =>
      this.#link.send({ case: 'datagramChannelClose', value: { streamId } }),
    );
    this.#dialBacks = new DialBackQueue({
      limits,
      clock,
      observer,
      hasRoom,
      dial: (tunnel, request, signal) => this.#streams.dial(tunnel, request, signal),
      answer: (streamId, error) => this.#answer(streamId, error),
    });
    this.#requests = new TunnelRequests({
      limit: limits.pendingTunnels,
      opened: (id, properties) => this.#addTunnel(id, properties),
      orphaned: (id) => this.#sendCloseTunnel(id),
    });
    this.#link.start();
    // The connection may have been lost already, and nobody would stop them again.
    if (!this.#end) this.#heartbeats.start();
  }

  async openTunnel(request: TunnelRequest, signal?: AbortSignal): Promise<Tunnel> {
    const properties = tunnelProperties(request);
    this.#requireOpen();
    const { clock, timeouts } = this.#settings;
    const tunnel = await withDeadline(
      { clock, timeoutMs: timeouts.operationMs, what: 'opening the tunnel', signal },
      (inTime) =>
        this.#requests.open(inTime, (requestId) =>
          this.#link.send({ case: 'openTunnelReq', value: { requestId, tunnelProperties: properties } }),
        ),
    );
    if (this.#end) throw new ControlClosedError({ cause: causeOf(this.#end) });
    // It may have been revoked already, which `done` then says.
    return tunnel;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  drop(): void {
    this.#link.close();
    this.#finish({ kind: 'soft', error: new ClientClosedError() });
  }

  async #close(): Promise<void> {
    if (this.#end) return this.#streams.closeAll();
    const { clock, timeouts } = this.#settings;
    const timedOut = new OperationTimeoutError('closing the control channel', timeouts.operationMs);
    const timer = clock.after(timeouts.operationMs, () => this.#finish({ kind: 'hard', error: timedOut }));
    this.#link.send({ case: 'closeControlChannelReq', value: {} });
    const end = await this.done;
    timer.cancel();
    this.#streams.closeAll();
    if (end.kind !== 'clean') throw end.error;
  }

  #handle({ payload }: Message): ProtocolError | undefined {
    this.#heartbeats.frameHandled();
    switch (payload.case) {
      case 'heartbeat':
        return this.#heartbeats.received(payload.value);
      case 'openTunnelRsp':
        this.#requests.answered(payload.value);
        return undefined;
      case 'closeTunnelRsp':
        this.#tunnels.get(payload.value.tunnelId)?.closeAnswered();
        return undefined;
      case 'proxyConnReq':
        return this.#requested(payload.value);
      case 'datagramChannelClose':
        this.#streams.closedByEngine(payload.value.streamId);
        return undefined;
      case 'serverMessage':
        this.#settings.observer?.serverMessage?.(payload.value.message);
        return undefined;
      case 'closeControlChannelRsp':
        this.#finish({ kind: 'clean', by: this.#closing ? 'client' : 'engine' });
        return undefined;
      default:
        return undefined;
    }
  }

  #requested(request: ProxyConnReq): ProtocolError | undefined {
    const { streamId, tunnelId } = request;
    if (streamId.length > maxStreamIdLength) return new ProtocolError('a stream id is unreasonably long');
    const tunnel = this.#tunnels.get(tunnelId);
    const message = 'the tunnel is not open on this client';
    if (tunnel) this.#dialBacks.add(tunnel, request);
    else this.#answer(streamId, { number: ANSWER.invalidStream, message });
    return undefined;
  }

  #answer(streamId: string, error?: { readonly number: number; readonly message: string }): void {
    const failure = error && { error: errorMessage(error.number, error.message.slice(0, 1_000)) };
    this.#link.send({ case: 'proxyConnRsp', value: { streamId, ...failure } });
    if (!error) this.#streams.answered(streamId);
  }

  #addTunnel(id: string, properties: TunnelProperties): ClientTunnel {
    if (this.#tunnels.has(id)) throw new ProtocolError('the engine gave two tunnels the same id');
    const { clock, limits, timeouts } = this.#settings;
    const tunnel: ClientTunnel = new ClientTunnel({
      id,
      properties,
      clock,
      unacceptedStreams: limits.unacceptedStreams,
      closeMs: timeouts.operationMs,
      releaseMs: timeouts.releaseMs,
      sendClose: () => this.#sendCloseTunnel(id),
      ended: () => this.#tunnels.delete(id),
      dialBacksIdle: () => this.#dialBacks.idle(tunnel),
    });
    this.#tunnels.set(id, tunnel);
    return tunnel;
  }

  #sendCloseTunnel(tunnelId: string): void {
    this.#link.send({ case: 'closeTunnelReq', value: { tunnelId } });
  }

  #requireOpen(): void {
    if (this.#end || this.#closing) throw new ControlClosedError({ cause: causeOf(this.#end) });
  }

  #finish(end: ChannelEnd): void {
    if (this.#end) return;
    this.#end = end;
    this.#heartbeats.stop();
    this.#link.close();
    this.#dialBacks.close();
    this.#requests.close(causeOf(end));
    for (const tunnel of [...this.#tunnels.values()]) tunnel.channelEnded();
    if (end.kind !== 'soft') this.#streams.closeAll();
    this.#over.resolve(end);
  }
}

function causeOf(end: ChannelEnd | undefined): unknown {
  return end && end.kind !== 'clean' ? end.error : undefined;
}
