// One flow of a datagram tunnel: packets from the engine go to the Service from a UDP socket of their own, and its answers
// go back. UDP has no end, so a flow that was silent for a while is closed.

import { createSocket, type Socket } from 'node:dgram';
import type { LookupAddress } from 'node:dns';
import { lookup } from 'node:dns/promises';
import type { Clock, Timer } from '../common/clock.ts';
import { codeOf } from '../common/errors.ts';
import { unlessAborted } from '../common/unless-aborted.ts';
import { withDeadline } from '../rstream/deadline.ts';
import type { PacketChannel } from '../rstream/packet-channel.ts';
import type { TargetAddress } from './target.ts';

export interface UdpSessionOptions {
  readonly target: TargetAddress;
  readonly packets: PacketChannel;
  readonly clock: Clock;
  /** Silence in both directions that ends the flow. */
  readonly idleMs: number;
  readonly countToTarget: (bytes: number) => void;
  readonly countToEngine: (bytes: number) => void;
  /** A packet could not be passed on. */
  readonly dropped: () => void;
  /** The Service has answered, or refused a packet. Called when that turns, not for each packet. */
  readonly reached: (refusal?: Error) => void;
  /** Ends the flow. */
  readonly signal: AbortSignal;
  /** Default: the system's resolver. */
  readonly find?: (host: string) => Promise<LookupAddress>;
}

/** For the target's name to be resolved. */
const lookupMs = 10_000;

/** The largest UDP payload over IPv4. */
const maxDatagram = 65_507;

/** Bytes waiting in the socket's send queue above which packets are dropped. */
const maxQueued = 1024 * 1024;

/** Resolves when the flow is over. Rejects when the target's name cannot be resolved or its socket fails. */
export async function udpSession(options: UdpSessionOptions): Promise<void> {
  const { target, packets, signal } = options;
  try {
    const found = await resolved(options);
    if (!found || signal.aborted) return;
    const { address, family } = found;
    const socket = createSocket(family === 6 ? 'udp6' : 'udp4');
    try {
      await connected(socket, target.port, address);
      await new Flow(options, socket).over;
    } finally {
      socket.close();
    }
  } finally {
    packets.close();
  }
}

/** Undefined when the flow ended meanwhile. */
async function resolved(options: UdpSessionOptions): Promise<LookupAddress | undefined> {
  const { target, packets, clock, find = (host: string) => lookup(host) } = options;
  const ended = new AbortController();
  void packets.closed.then(() => ended.abort());
  const signal = AbortSignal.any([options.signal, ended.signal]);
  try {
    const deadline = { clock, timeoutMs: lookupMs, what: `looking up ${target.host}`, signal };
    return await withDeadline(deadline, (inTime) => unlessAborted(find(target.host), inTime));
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  }
}

class Flow {
  readonly over: Promise<void>;
  readonly #options: UdpSessionOptions;
  readonly #socket: Socket;
  #end: (error?: Error) => void = () => undefined;
  #timer: Timer | undefined;
  #activeAt: number;
  #reached: boolean | undefined;

  constructor(options: UdpSessionOptions, socket: Socket) {
    this.#options = options;
    this.#socket = socket;
    this.#activeAt = options.clock.now();
    const onAbort = () => this.#end();
    this.over = new Promise<void>((resolve, reject) => {
      this.#end = (error) => (error ? reject(error) : resolve());
    }).finally(() => {
      this.#timer?.cancel();
      options.signal.removeEventListener('abort', onAbort);
    });
    options.signal.addEventListener('abort', onAbort, { once: true });
    if (options.signal.aborted) onAbort();
    this.#start();
  }

  #start(): void {
    const { packets } = this.#options;
    this.#socket.on('message', (packet) => this.#toEngine(packet));
    this.#socket.on('error', (error) => {
      // An ICMP refusal of one packet is not the end of a flow: the Service may be restarting.
      if (isRefusal(error)) this.#lost(error);
      else this.#end(error);
    });
    packets.receive((packet) => this.#toTarget(packet));
    packets.closed.then(() => this.#end());
    this.#watch(this.#options.idleMs);
  }

  #toTarget(packet: Buffer): void {
    this.#activeAt = this.#options.clock.now();
    if (packet.length > maxDatagram || this.#socket.getSendQueueSize() > maxQueued) {
      this.#options.dropped();
      return;
    }
    this.#options.countToTarget(packet.length);
    this.#socket.send(Buffer.from(packet), (error) => {
      if (error) this.#lost(error);
    });
  }

  #toEngine(packet: Buffer): void {
    this.#activeAt = this.#options.clock.now();
    this.#options.countToEngine(packet.length);
    this.#turn();
    if (!this.#options.packets.send(packet)) this.#options.dropped();
  }

  #lost(error: Error): void {
    this.#options.dropped();
    if (isRefusal(error)) this.#turn(error);
  }

  #turn(refusal?: Error): void {
    const reached = refusal === undefined;
    if (this.#reached === reached) return;
    this.#reached = reached;
    this.#options.reached(refusal);
  }

  #watch(afterMs: number): void {
    const { clock, idleMs } = this.#options;
    this.#timer = clock.after(afterMs, () => {
      const leftMs = this.#activeAt + idleMs - clock.now();
      if (leftMs <= 0) this.#end();
      else this.#watch(leftMs);
    });
  }
}

/** Nobody listens there. The system tells so of an earlier packet, when the next one is read or sent. */
function isRefusal(error: Error): boolean {
  return codeOf(error) === 'ECONNREFUSED';
}

function connected(socket: Socket, port: number, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    // The callback hears of a refusal too (no route, say), and then nothing could be sent.
    socket.connect(port, address, (error?: Error) => {
      socket.off('error', reject);
      if (error) reject(error);
      else resolve();
    });
  });
}
