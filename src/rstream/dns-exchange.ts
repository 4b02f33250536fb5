// One question to one DNS server: over UDP, again over TCP when the answer was cut short, or over TLS. An answer counts only
// when it carries the question's id and the question itself.

import { createSocket } from 'node:dgram';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { checkServerIdentity, connect as connectTls } from 'node:tls';
import * as dnsPacket from 'dns-packet';
import { messageOf } from '../common/errors.ts';
import { TransportError } from './errors.ts';

export interface DnsServer {
  readonly address: string;
  readonly port: number;
  /** DNS over TLS, verified under this name (or IP literal); `ca` replaces the system's roots. */
  readonly tls?: { readonly serverName: string; readonly ca?: string | undefined } | undefined;
}

export type DnsQuestion = { readonly name: string; readonly type: 'A' | 'AAAA' };

/** Rejects with TransportError ERR_RSTREAM_DNS, or the signal's reason. */
export async function exchange(
  server: DnsServer,
  question: DnsQuestion,
  query: Buffer,
  signal: AbortSignal,
): Promise<dnsPacket.DecodedPacket> {
  if (server.tls)
    return decodeAnswer(
      await overStream(secureSocket(server), 'secureConnect', query, signal),
      question,
      query,
    );
  const answer = decodeAnswer(await overUdp(server, question, query, signal), question, query);
  if (!answer.flag_tc) return answer;
  const socket = connectTcp({ host: server.address, port: server.port });
  return decodeAnswer(await overStream(socket, 'connect', query, signal), question, query);
}

/** The decoded packet; throws when it is not an answer to this question. */
export function decodeAnswer(bytes: Buffer, question: DnsQuestion, query: Buffer): dnsPacket.DecodedPacket {
  const answer = decoded(bytes);
  const [asked] = answer.questions ?? [];
  const same = asked?.type === question.type && asked.name.toLowerCase() === question.name.toLowerCase();
  if (answer.type !== 'response' || answer.id !== query.readUInt16BE(0) || !same) {
    throw failure('the DNS server answered another question');
  }
  return answer;
}

function decoded(bytes: Buffer): dnsPacket.DecodedPacket {
  try {
    return dnsPacket.decode(bytes);
  } catch (cause) {
    throw failure('the DNS server answered with garbage', cause);
  }
}

/** Datagrams that do not answer the question are ignored: anybody may send some. */
function overUdp(
  server: DnsServer,
  question: DnsQuestion,
  query: Buffer,
  signal: AbortSignal,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(isIP(server.address) === 6 ? 'udp6' : 'udp4');
    const settle = (outcome: Buffer | Error) => {
      signal.removeEventListener('abort', onAbort);
      socket.close();
      if (outcome instanceof Error) reject(outcome);
      else resolve(outcome);
    };
    const onAbort = () => settle(asError(signal.reason));
    const onMessage = (bytes: Buffer) => {
      if (answers(bytes, question, query)) settle(bytes);
    };
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    const onError = (cause: Error) =>
      settle(failure(`asking ${server.address} failed: ${messageOf(cause)}`, cause));
    socket.once('error', onError);
    socket.on('message', onMessage);
    // The callback hears of a refusal too (no route, say), and then sending would throw.
    socket.connect(server.port, server.address, (error?: Error) => {
      if (error) onError(error);
      else socket.send(query);
    });
  });
}

function answers(bytes: Buffer, question: DnsQuestion, query: Buffer): boolean {
  try {
    decodeAnswer(bytes, question, query);
    return true;
  } catch {
    return false;
  }
}

function secureSocket({ address, port, tls }: DnsServer): Socket {
  const name = tls?.serverName ?? address;
  return connectTls({
    host: address,
    port,
    minVersion: 'TLSv1.2',
    // An IP address is never sent, but checked all the same, whatever address is asked.
    ...(isIP(name)
      ? { checkServerIdentity: (_host, certificate) => checkServerIdentity(name, certificate) }
      : { servername: name }),
    ...(tls?.ca === undefined ? {} : { ca: tls.ca }),
  });
}

/** DNS over a stream: two bytes of length before each message. */
function overStream(socket: Socket, ready: string, query: Buffer, signal: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);
    const settle = (outcome: Buffer | Error) => {
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      if (outcome instanceof Error) reject(outcome);
      else resolve(outcome);
    };
    const onAbort = () => settle(asError(signal.reason));
    const onData = (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 2) return;
      const length = received.readUInt16BE(0);
      if (received.length >= 2 + length) settle(received.subarray(2, 2 + length));
    };
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    socket.on('error', (cause) =>
      settle(failure(`asking the DNS server failed: ${messageOf(cause)}`, cause)),
    );
    socket.once('close', () => settle(failure('the DNS server closed the connection')));
    socket.on('data', onData);
    socket.once(ready, () => {
      const length = Buffer.alloc(2);
      length.writeUInt16BE(query.length);
      socket.write(Buffer.concat([length, query]));
    });
  });
}

function failure(message: string, cause?: unknown): TransportError {
  return new TransportError(message, { code: 'ERR_RSTREAM_DNS', cause });
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : failure('cancelled', reason);
}
