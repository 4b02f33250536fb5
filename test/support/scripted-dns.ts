// A DNS server that answers from a table, over UDP, TCP and (on a port of its own) TLS, and misbehaves on demand.

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, TLSSocket } from 'node:tls';
import * as dnsPacket from 'dns-packet';
import { serverCertificate } from './certificates.ts';
import { freePort } from './free-port.ts';

export type Records = readonly dnsPacket.Answer[];

export interface DnsQuery {
  readonly over: 'udp' | 'tcp' | 'tls';
  readonly packet: dnsPacket.DecodedPacket;
}

export class ScriptedDns {
  /** Port of UDP and TCP. */
  port = 0;
  tlsPort = 0;
  ca = '';
  readonly queries: DnsQuery[] = [];
  /** What clients sent as server name; false when none. */
  readonly serverNames: (string | false | null)[] = [];
  /** How it answers over TCP and TLS: at once, byte by byte, without an end, or by closing. */
  streams: 'whole' | 'in pieces' | 'kept open' | 'hung up' = 'whole';
  /** Connections of TCP and TLS. */
  readonly sockets = new Set<Socket>();
  /** What the answer section holds; by default the records of the name asked for, following nothing. */
  answer: (name: string, type: string) => Records = () => [];
  /** Changes a finished answer before it is sent; undefined: none is. */
  spoil: (answer: dnsPacket.Packet, over: DnsQuery['over']) => dnsPacket.Packet | undefined = (answer) =>
    answer;
  readonly #closers: (() => void)[] = [];
  #host = '';

  /** On a port that no UDP socket of the system's own choice may have. */
  static async start(host = '127.0.0.1', port?: number): Promise<ScriptedDns> {
    const dns = new ScriptedDns();
    dns.#host = host;
    const { ca, cert, key } = await serverCertificate('dns.example.test');
    dns.ca = ca;
    const tcp = createTcpServer((socket) => dns.#serve(socket, 'tcp'));
    dns.port = await dns.#listen(tcp, port ?? (await freePort()));
    dns.tlsPort = await dns.#listen(createTlsServer({ cert, key }, (socket) => dns.#serve(socket, 'tls')));
    const udp = createSocket('udp4');
    udp.on('message', (bytes, { port, address }) => {
      const reply = dns.#reply(bytes, 'udp');
      if (reply) udp.send(reply, port, address);
    });
    udp.bind(dns.port, host);
    await once(udp, 'listening');
    dns.#closers.push(() => udp.close());
    return dns;
  }

  stop(): void {
    for (const close of this.#closers) close();
  }

  async #listen(server: Server, port = 0): Promise<number> {
    server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.on('error', () => {}).on('close', () => this.sockets.delete(socket));
    });
    server.on('tlsClientError', () => {});
    server.listen(port, this.#host);
    await once(server, 'listening');
    this.#closers.push(() => {
      server.close();
      for (const socket of this.sockets) socket.destroy();
    });
    return (server.address() as AddressInfo).port;
  }

  #serve(socket: Socket, over: 'tcp' | 'tls'): void {
    let received = Buffer.alloc(0);
    if (socket instanceof TLSSocket) this.serverNames.push(socket.servername);
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
      const reply = this.#reply(received.subarray(2), over);
      if (!reply) return;
      const length = Buffer.alloc(2);
      length.writeUInt16BE(reply.length);
      if (this.streams === 'hung up') socket.end();
      else if (this.streams === 'kept open') socket.write(Buffer.concat([length, reply]));
      else if (this.streams === 'whole') socket.end(Buffer.concat([length, reply]));
      else void inPieces(socket, Buffer.concat([length, reply]));
    });
  }

  #reply(bytes: Buffer, over: DnsQuery['over']): Buffer | undefined {
    const packet = dnsPacket.decode(bytes);
    this.queries.push({ over, packet });
    const [question] = packet.questions ?? [];
    const answers = question ? [...this.answer(question.name, question.type)] : [];
    const reply = this.spoil(
      { type: 'response', id: packet.id ?? 0, flags: 0, questions: packet.questions ?? [], answers },
      over,
    );
    return reply && dnsPacket.encode(reply);
  }
}

async function inPieces(socket: Socket, bytes: Buffer): Promise<void> {
  for (const byte of bytes) await new Promise((resolve) => socket.write(Buffer.of(byte), resolve));
  socket.end();
}

/** Records of a table: `{ 'a.test': { A: ['192.0.2.1'], CNAME: 'b.test' } }`. */
export type Zone = Readonly<
  Record<string, { A?: readonly string[]; AAAA?: readonly string[]; CNAME?: string }>
>;

/** Answers with what the zone says about the very name asked for. */
export function fromZone(zone: Zone, ttl = 60): ScriptedDns['answer'] {
  return (name, type) => {
    const key = name.toLowerCase();
    const entry = Object.hasOwn(zone, key) ? zone[key] : undefined;
    if (entry?.CNAME !== undefined) return [{ name, type: 'CNAME', ttl, data: entry.CNAME }];
    const found = (type === 'A' ? entry?.A : type === 'AAAA' ? entry?.AAAA : undefined) ?? [];
    return found.map((data) => ({ name, type: type as 'A' | 'AAAA', ttl, data }));
  };
}
