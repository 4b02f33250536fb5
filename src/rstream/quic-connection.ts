// One QUIC connection over somebody's UDP socket: feeds packets to quiche, sends what quiche has to say, and keeps streams and
// datagram channels. Both roles. Packets are taken in one by one, but everything that follows from them (reads, writes,
// acknowledgements, timers) happens once per turn of the event loop: that is where the speed comes from.

import type { Clock } from '../common/clock.ts';
import { TransportError } from './errors.ts';
import { IDLE_TIMEOUT_MS } from './quic-config.ts';
import { QuicDatagrams } from './quic-datagrams.ts';
import type { NativeConnection, QuicPeer } from './quic-native.ts';
import { QuicPackets } from './quic-packets.ts';
import { QuicSettling } from './quic-settling.ts';
import { QuicStream, type QuicStreamHost } from './quic-stream.ts';
import { QuicStreamCredit } from './quic-stream-credit.ts';
import { QuicTimers } from './quic-timers.ts';
import { MAX_RESCUED_BYTES, MAX_UNREAD_BYTES, QuicUnread } from './quic-unread.ts';
import { causeOfEnd, strangerProblem } from './quic-verdicts.ts';
import { QuicWriters } from './quic-writers.ts';

export interface QuicConnectionOptions {
  readonly role: 'client' | 'server';
  readonly native: NativeConnection;
  readonly local: QuicPeer;
  readonly clock: Clock;
  /** Sends or drops a packet; true when it has no more use for the memory. */
  readonly send: (packet: Buffer, to: QuicPeer) => boolean;
  /** The name or address the server's certificate must be for; client only. */
  readonly verify?: string;
  /** Streams the peer opens; without it they are refused. */
  readonly onStream?: (stream: QuicStream) => void;
}

const empty = Buffer.alloc(0);
const tooMuchUnread = `the QUIC connection holds ${MAX_UNREAD_BYTES / 2 ** 20} MiB that nobody has read`;

export class QuicConnection implements QuicStreamHost {
  readonly native: NativeConnection;
  readonly datagrams: QuicDatagrams;
  readonly unread: QuicUnread;
  /** Resolves when nothing more comes from or goes into this connection. */
  readonly closed: Promise<TransportError>;
  /** Resolves once the handshake is done and the peer is who it should be; rejects with TransportError. */
  readonly established: Promise<void>;
  readonly #options: QuicConnectionOptions;
  readonly #streams = new Map<number, QuicStream>();
  readonly #writers: QuicWriters<QuicStream>;
  readonly #credit = new QuicStreamCredit(() => (this.#over ? 1 : this.native.peerStreamsLeftBidi()));
  readonly #packets: QuicPackets;
  readonly #timers: QuicTimers;
  readonly #settling: QuicSettling;
  readonly #closed = Promise.withResolvers<TransportError>();
  readonly #established = Promise.withResolvers<void>();
  #nextStream = 0;
  #heardAt: number;
  #ready = false;
  #over = false;
  #closing = false;
  #received = true;
  #turn: NodeJS.Immediate | undefined;

  constructor(options: QuicConnectionOptions) {
    this.#options = options;
    this.native = options.native;
    this.#heardAt = options.clock.now();
    this.unread = new QuicUnread(options.native);
    this.#writers = new QuicWriters(options.native);
    this.#packets = new QuicPackets(options.native, options.send);
    this.#timers = new QuicTimers({
      native: options.native,
      clock: options.clock,
      due: () => {
        this.#received = true;
        this.flush();
      },
    });
    this.#settling = new QuicSettling({
      ...options,
      idleTimeoutMs: IDLE_TIMEOUT_MS,
      ping: () => {
        this.native.sendAckEliciting();
        this.#packets.sendSome();
      },
    });
    this.closed = this.#closed.promise;
    this.established = this.#established.promise;
    this.established.catch(() => {});
    this.datagrams = new QuicDatagrams({
      send: (datagram) => this.#sendDatagram(datagram),
      get maxBytes() {
        return options.native.dgramMaxWritableLen() ?? 0;
      },
    });
    this.flush();
  }

  get streams(): number {
    return this.#streams.size;
  }

  /** Since the last packet of the peer. */
  get silentMs(): number {
    return this.#options.clock.now() - this.#heardAt;
  }

  get packetsSent(): number {
    return this.#packets.sent;
  }

  get over(): boolean {
    return this.#over;
  }

  /** Whether the peer takes DATAGRAM frames. */
  get hasDatagrams(): boolean {
    return (this.native.dgramMaxWritableLen() ?? 0) > 0;
  }

  /**
   * A new stream, as soon as the peer allows one more. Rejects with the signal's reason or a TransportError; the latter too
   * when too much of the others is unread, unless it is `needed`.
   */
  async openStream(signal: AbortSignal, needed = false): Promise<QuicStream> {
    if (this.unread.full && !needed) throw new TransportError(tooMuchUnread);
    await this.#credit.until(signal);
    if (this.#over) throw await this.closed;
    const id = this.#nextStream * 4;
    this.#nextStream += 1;
    const stream = new QuicStream(id, this);
    this.#streams.set(id, stream);
    // quiche knows a stream from its first write on.
    this.native.streamSend(id, empty, false);
    this.#timers.keepAlive();
    return stream;
  }

  receive(packet: Buffer, from: QuicPeer): void {
    if (this.#over) return;
    this.#heardAt = this.#options.clock.now();
    try {
      this.native.recv(packet, { from, to: this.#options.local });
    } catch {
      // Not a packet of this connection, or a broken one: quiche has noted what matters.
    }
    this.#received = true;
    this.flush();
  }

  close(reason: string): void {
    if (this.#over) return;
    try {
      this.native.close(true, 0, Buffer.from(reason));
    } catch {
      // Closing already.
    }
    this.#packets.sendSome();
    this.#end(new TransportError(`the QUIC connection was closed: ${reason}`));
  }

  /** The socket below failed: there is nobody to say goodbye to. */
  abort(error: TransportError): void {
    this.#end(error);
  }

  /** Closes as soon as no stream is left. */
  closeWithLastStream(): void {
    this.#closing = true;
  }

  flush(): void {
    if (this.#over) return;
    this.#turn ??= setImmediate(() => this.#act());
  }

  flushNow(): void {
    while (!this.#over && this.#packets.sendSome());
    this.flush();
  }

  isQuiet(): boolean {
    this.flushNow();
    return this.#over || this.#settling.isQuiet(this.silentMs);
  }

  whenSettled(settled: () => void): void {
    if (this.#over) queueMicrotask(settled);
    else this.#settling.wait(this.silentMs, settled);
  }

  blocked(stream: QuicStream): void {
    this.#writers.add(stream);
  }

  forget(stream: QuicStream): void {
    this.#streams.delete(stream.id);
    this.#writers.delete(stream);
    this.unread.delete(stream);
    if (this.#streams.size > 0) return;
    this.#timers.letSleep();
    if (this.#closing) queueMicrotask(() => this.close('the client is closed'));
  }

  #act(): void {
    this.#turn = undefined;
    if (this.#over) return;
    if (this.#received) {
      this.#received = false;
      this.#advance();
    }
    if (!this.#over && this.#packets.sendSome()) this.flush();
    if (this.native.isClosed() || this.native.isDraining()) this.#end(causeOfEnd(this.native));
    else if (!this.#over) this.#timers.arm();
  }

  #advance(): void {
    if (!this.#ready && this.native.isEstablished()) this.#becomeReady();
    this.#settle();
    for (const id of this.#ready ? this.native.readable() : []) this.#readable(id);
    this.#writers.wake();
    for (let datagram = this.#datagram(); datagram; datagram = this.#datagram()) {
      this.unread.read(datagram.length);
      this.datagrams.received(Buffer.from(datagram.buffer, datagram.byteOffset, datagram.length));
    }
    this.#credit.look();
  }

  #settle(): void {
    if (!this.#settling.awaited) return;
    // What was just found missing is sent again first: until then it does not count as under way.
    this.#packets.sendSome();
    this.#settling.look(this.silentMs);
  }

  #becomeReady(): void {
    const { role, verify = '' } = this.#options;
    const problem = role === 'client' ? strangerProblem(this.native, verify) : undefined;
    if (problem) {
      this.close(problem);
      return;
    }
    this.#ready = true;
    this.#established.resolve();
  }

  #readable(id: number): void {
    const stream = this.#streams.get(id) ?? this.#incoming(id);
    stream?.readReady();
  }

  #incoming(id: number): QuicStream | undefined {
    const theirs = id % 4 === (this.#options.role === 'client' ? 1 : 0);
    if (!theirs || !this.#options.onStream) return undefined;
    const stream = new QuicStream(id, this);
    this.#streams.set(id, stream);
    this.#options.onStream(stream);
    return stream;
  }

  #datagram(): Uint8Array | null {
    try {
      return this.native.dgramRecvVec();
    } catch {
      return null;
    }
  }

  #sendDatagram(datagram: Uint8Array): boolean {
    if (this.#over || this.native.isDgramSendQueueFull()) return false;
    try {
      this.native.dgramSend(datagram);
    } catch {
      return false;
    }
    this.flush();
    return true;
  }

  #end(error: TransportError): void {
    if (this.#over) return;
    this.#over = true;
    this.#timers.stop();
    this.#settling.stop();
    this.#established.reject(error);
    let room = MAX_RESCUED_BYTES;
    for (const stream of [...this.#streams.values()]) room -= stream.lose(error, room);
    this.#credit.look();
    this.datagrams.closeAll();
    this.#closed.resolve(error);
  }
}
