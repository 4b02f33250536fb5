// Hostile input: whatever arrives, the parsers neither throw, hang nor keep more than they must.

import { expect } from 'chai';
import * as dnsPacket from 'dns-packet';
import fc from 'fast-check';
import { messageOf } from '../../src/common/errors.ts';
import { MAX_CONNECT_HEAD_BYTES, parseConnectResponse } from '../../src/rstream/connect-response.ts';
import { decodeAnswer } from '../../src/rstream/dns-exchange.ts';
import { FrameTooLargeError, ProtocolError } from '../../src/rstream/errors.ts';
import { encodeFrame, FrameReader, MAX_FRAME_BYTES } from '../../src/rstream/frame.ts';
import { decodeMessage, encodeMessage } from '../../src/rstream/messages.ts';
import { engineHostname } from '../../src/rstream/stable-domain.ts';
import { tokenExpiry } from '../../src/rstream/token.ts';
import { bytesOf, byteVectors } from '../support/byte-vectors.ts';
import { expectAnswers, inputCount, mutated, withstands } from '../support/hostile.ts';

const numRuns = inputCount(10_000);
/** For what only checks that valid input survives. */
const fewRuns = 1_000;
const bytes = fc.uint8Array({ maxLength: 200 });

const little = fc.uint8Array({ maxLength: 60 });
const asMuchAsFits = fc
  .integer({ min: MAX_FRAME_BYTES - 3, max: MAX_FRAME_BYTES })
  .map((length) => Buffer.alloc(length, 0x12));
const body = fc.oneof({ weight: 30, arbitrary: little }, { weight: 1, arbitrary: asMuchAsFits });
/** Frames as they should be, the last one cut short or not. */
const honest = fc
  .tuple(fc.array(body, { maxLength: 8 }), fc.constantFrom(0, 0, 1, 2))
  .map(([bodies, cut]) => {
    const wire = Buffer.concat(bodies.map((each) => encodeFrame(each)));
    return wire.subarray(0, Math.max(0, wire.length - cut));
  });
/** Headers that announce little, too much, and all that there may be, whatever follows. */
const dishonest = fc
  .array(
    fc.tuple(
      fc.oneof(
        fc.nat({ max: 60 }),
        fc.constantFrom(MAX_FRAME_BYTES, MAX_FRAME_BYTES + 1, 2 ** 31, 2 ** 32 - 1),
      ),
      little,
    ),
    { maxLength: 8 },
  )
  .map((list) =>
    Buffer.concat(
      list.flatMap(([announced, follows]) => {
        const header = Buffer.alloc(4);
        header.writeUInt32BE(announced);
        return [header, follows];
      }),
    ),
  );
const frames = fc.oneof(honest, dishonest);
/** In pieces of this size they come, or larger ones where they would be too many. */
const mostPieces = 500;
const cuts = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 41, max: 2 * MAX_FRAME_BYTES }));

const messages = fc
  .tuple(
    fc.string({ maxLength: 30 }),
    fc.string({ maxLength: 30 }),
    fc.dictionary(fc.string(), fc.string(), { maxKeys: 3 }),
    fc.nat(3),
  )
  .map(([first, second, labels, kind]) => {
    const payloads = [
      { case: 'proxyConnReq', value: { tunnelId: first, streamId: second, secret: first } },
      { case: 'openTunnelReq', value: { requestId: first, tunnelProperties: { name: second, labels } } },
      { case: 'heartbeat', value: { sequence: BigInt(first.length), acknowledgement: 1n } },
      { case: 'proxyConnRsp', value: { streamId: first, error: { code: 4000, message: second } } },
    ] as const;
    return new Uint8Array(encodeMessage(payloads[kind] ?? payloads[0]).subarray(4));
  });
/** One of every kind there is. */
const vectors = fc.constantFrom(...byteVectors).map(([hex]) => new Uint8Array(bytesOf(hex).subarray(4)));
const kinds = new Set(byteVectors.map(([, payload]) => String(payload.case)));

const heads = fc
  .tuple(
    fc.constantFrom('HTTP/1.1 200 OK', 'HTTP/1.0 407 x', 'HTTP/1.1 200', 'HTTP/2 200', 'HTTP/1.1 999'),
    fc.array(fc.string({ maxLength: 40 }), { maxLength: 5 }),
    fc.constantFrom('', '\r\n\r\n', '\n\n', '\r\n\r\npayload'),
    fc.constantFrom(0, 0, 0, MAX_CONNECT_HEAD_BYTES),
  )
  .map(([status, lines, end, padding]) =>
    Buffer.from(`${[status, ...lines].join('\r\n')}${'x'.repeat(padding)}${end}`),
  );

/** Answers to `a A?` that was asked as 0x1234, or nearly. */
const dnsAnswers = fc
  .tuple(
    fc.array(
      fc.oneof(
        fc.ipV4().map((data) => ({ type: 'A', name: 'a', ttl: 60, data }) as const),
        fc.domain().map((data) => ({ type: 'CNAME', name: 'a', ttl: 60, data }) as const),
      ),
      { maxLength: 4 },
    ),
    fc.constantFrom('A', 'A', 'A', 'AAAA'),
    fc.constantFrom('a', 'A', 'b'),
    fc.constantFrom(0x1234, 0x1234, 0x1234, 0x1235),
  )
  .map(([answers, type, name, id]) => {
    const packet: dnsPacket.Packet = { type: 'response', id, questions: [{ type, name }], answers };
    return new Uint8Array(dnsPacket.encode(packet));
  });

const tokens = fc
  .oneof(fc.record({ exp: fc.oneof(fc.integer(), fc.double(), fc.string()) }), fc.jsonValue())
  .map((claims) => `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`);
const hosts = fc
  .tuple(fc.constantFrom('', 'https://'), fc.domain(), fc.constantFrom('', ':443', ':0', '/x', '.'))
  .map((parts) => parts.join(''));

describe('hostile input', function () {
  this.timeout(60_000 + numRuns * 5);

  it('frames survive any cutting', () => {
    const bodies = fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 10 });
    fc.assert(
      fc.property(bodies, fc.infiniteStream(fc.integer({ min: 1, max: 70 })), (sent, sizes) => {
        const wire = Buffer.concat(sent.map((body) => encodeFrame(body)));
        const reader = new FrameReader();
        const received: Buffer[] = [];
        for (let at = 0; at < wire.length; ) {
          const size = sizes.next().value;
          reader.push(wire.subarray(at, at + size));
          at += size;
          for (let body = reader.next(); body !== undefined; body = reader.next()) {
            if (body instanceof Error) throw body;
            received.push(body);
          }
        }
        expect(received.length).to.equal(sent.length);
        expect(received.every((body, index) => body.equals(sent[index] ?? Buffer.alloc(0)))).to.equal(true);
        expect(reader.atBoundary).to.equal(true);
      }),
      { numRuns: fewRuns },
    );
  });

  it('the frame reader takes anything, loses nothing and holds one frame at most', () => {
    const inputs = fc.tuple(fc.oneof(bytes, frames, mutated(frames)), cuts);
    const answers = withstands(inputs, numRuns, ([input, cut]) => {
      const size = Math.max(cut, Math.ceil(input.length / mostPieces));
      const reader = new FrameReader();
      let taken = 0;
      let longest = 0;
      for (let at = 0; at < input.length; at += size) {
        reader.push(input.subarray(at, at + size));
        for (let body = reader.next(); body !== undefined; body = reader.next()) {
          if (body instanceof FrameTooLargeError) {
            expect(reader.remainder().length).to.equal(0);
            expect(reader.next()).to.equal(body);
            return 'too large';
          }
          taken += 4 + body.length;
          longest = Math.max(longest, body.length);
        }
      }
      const rest = reader.remainder().length;
      expect(rest).to.be.below(4 + MAX_FRAME_BYTES);
      expect(taken + rest).to.equal(input.length);
      if (rest > MAX_FRAME_BYTES - 10) return 'nearly one frame held';
      if (longest > MAX_FRAME_BYTES - 10) return 'a large frame';
      return taken === 0 ? 'nothing whole' : rest > 0 ? 'frames and a rest' : 'frames';
    });
    const every = ['too large', 'a large frame', 'nothing whole', 'frames and a rest', 'frames'];
    expectAnswers(answers, [...every, 'nearly one frame held']);
  });

  it('the message decoder returns a message or a protocol error', () => {
    const inputs = fc.oneof(bytes, messages, mutated(messages), vectors, mutated(vectors));
    const answers = withstands(inputs, numRuns, (body) => {
      const message = decodeMessage(body);
      if (message instanceof ProtocolError) return 'refused';
      expect(message.$typeName).to.equal('rstream.io_rstrm.protobuf.Message');
      return String(message.payload.case);
    });
    expectAnswers(answers, [...kinds, 'refused', 'undefined']);
  });

  it('what is encoded decodes to the same', () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.string(),
        fc.option(fc.string(), { nil: undefined }),
        (tunnelId, streamId, secret) => {
          const value = { tunnelId, streamId, ...(secret === undefined ? {} : { secret }) };
          const decoded = decodeMessage(encodeMessage({ case: 'proxyConnReq', value }).subarray(4));
          if (decoded instanceof Error || decoded.payload.case !== 'proxyConnReq')
            throw new Error('not decoded');
          expect(decoded.payload.value).to.deep.include(value);
        },
      ),
      { numRuns: fewRuns },
    );
  });

  it('the CONNECT response parser never throws, never looks past its bound, and stands by what it said', () => {
    const inputs = fc.tuple(fc.oneof(bytes, heads, mutated(heads)), fc.nat());
    const answers = withstands(inputs, numRuns, ([input, cut]) => {
      const received = Buffer.from(input);
      const answer = parseConnectResponse(received);
      const early = parseConnectResponse(received.subarray(0, cut % (received.length + 1)));
      if (early.kind === 'complete') expect(answer).to.deep.equal(early);
      else if (early.kind === 'malformed') expect(answer.kind).to.equal('malformed');

      if (answer.kind === 'malformed') return `malformed: ${answer.why}`;
      if (answer.kind === 'incomplete') {
        expect(received.length).to.be.below(MAX_CONNECT_HEAD_BYTES);
        return 'incomplete';
      }
      expect(answer.headBytes).to.be.within(16, Math.min(received.length, MAX_CONNECT_HEAD_BYTES));
      expect(answer.status).to.be.within(100, 599);
      expect(answer.reason.length).to.be.at.most(100);
      return answer.headBytes < received.length ? 'complete, and more' : 'complete';
    });
    const malformed = ['its head is too long', 'it is not HTTP', 'it is not HTTP/1.1'];
    const said = malformed.map((why) => `malformed: ${why}`);
    expectAnswers(answers, ['complete', 'complete, and more', 'incomplete', ...said]);
  });

  it('DNS answers are answers to the question or refused', () => {
    const query = Buffer.of(0x12, 0x34);
    const framed = bytes.map((rest) =>
      Uint8Array.from([0x12, 0x34, 0x80, 0, 0, 1, 0, 1, 0, 0, 0, 0, 1, 97, 0, 0, 1, 0, 1, ...rest]),
    );
    const inputs = fc.oneof(bytes, framed, mutated(framed), dnsAnswers, mutated(dnsAnswers));
    const answers = withstands(inputs, numRuns, (packet) => {
      try {
        const answer = decodeAnswer(Buffer.from(packet), { name: 'a', type: 'A' }, query);
        expect(answer.id).to.equal(0x1234);
        return answer.answers?.length ? 'records' : 'no records';
      } catch (error) {
        expect(error).to.have.property('code', 'ERR_RSTREAM_DNS');
        return messageOf(error);
      }
    });
    const refusals = ['with garbage', 'another question'].map((what) => `the DNS server answered ${what}`);
    expectAnswers(answers, ['records', 'no records', ...refusals]);
  });

  it('tokens and engine addresses are read without harm', () => {
    const answers = withstands(fc.oneof(fc.string(), tokens, hosts), numRuns, (text) => {
      const expiry = tokenExpiry(text);
      const host = engineHostname(text);
      if (expiry !== undefined) expect(Number.isSafeInteger(expiry)).to.equal(true);
      return expiry !== undefined ? 'expires' : host !== undefined ? 'a host' : 'neither';
    });
    expectAnswers(answers, ['expires', 'a host', 'neither']);
  });
});
