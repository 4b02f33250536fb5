// Hostile input: whatever arrives, the parsers neither throw, hang nor keep more than they must.

import { expect } from 'chai';
import fc from 'fast-check';
import { MAX_CONNECT_HEAD_BYTES, parseConnectResponse } from '../../src/rstream/connect-response.ts';
import { decodeAnswer } from '../../src/rstream/dns-exchange.ts';
import { FrameTooLargeError, ProtocolError } from '../../src/rstream/errors.ts';
import { encodeFrame, FrameReader, MAX_FRAME_BYTES } from '../../src/rstream/frame.ts';
import { decodeMessage, encodeMessage } from '../../src/rstream/messages.ts';
import { engineHostname } from '../../src/rstream/stable-domain.ts';
import { tokenExpiry } from '../../src/rstream/token.ts';
import { inputCount, mutated, withstands } from '../support/hostile.ts';

const numRuns = inputCount(10_000);
/** For what only checks that valid input survives. */
const fewRuns = 1_000;
const bytes = fc.uint8Array({ maxLength: 200 });

/** Headers that announce little, too much, and everything; with bodies that keep the promise or not. */
const frames = fc
  .array(
    fc.tuple(
      fc.oneof(
        fc.nat({ max: 60 }),
        fc.constantFrom(MAX_FRAME_BYTES, MAX_FRAME_BYTES + 1, 2 ** 31, 2 ** 32 - 1),
      ),
      fc.uint8Array({ maxLength: 60 }),
      fc.boolean(),
    ),
    { maxLength: 8 },
  )
  .map((list) =>
    Buffer.concat(
      list.map(([announced, body, honest]) => {
        const header = Buffer.alloc(4);
        header.writeUInt32BE(honest ? body.length : announced);
        return Buffer.concat([header, body]);
      }),
    ),
  );

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
    const inputs = fc.tuple(fc.oneof(bytes, frames, mutated(frames)), fc.integer({ min: 1, max: 40 }));
    withstands(inputs, numRuns, ([input, size]) => {
      const reader = new FrameReader();
      let taken = 0;
      for (let at = 0; at < input.length; at += size) {
        reader.push(input.subarray(at, at + size));
        for (let body = reader.next(); body !== undefined; body = reader.next()) {
          if (body instanceof FrameTooLargeError) {
            expect(reader.remainder().length).to.equal(0);
            return;
          }
          taken += 4 + body.length;
        }
      }
      const rest = reader.remainder().length;
      expect(rest).to.be.below(4 + MAX_FRAME_BYTES);
      expect(taken + rest).to.equal(input.length);
    });
  });

  it('the message decoder returns a message or a protocol error', () => {
    withstands(fc.oneof(bytes, messages, mutated(messages)), numRuns, (body) => {
      const message = decodeMessage(body);
      if (message instanceof ProtocolError) return;
      expect(message.$typeName).to.equal('rstream.io_rstrm.protobuf.Message');
    });
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

  it('the CONNECT response parser never throws, and never looks past its bound', () => {
    withstands(fc.oneof(bytes, heads, mutated(heads)), numRuns, (received) => {
      const answer = parseConnectResponse(Buffer.from(received));
      if (answer.kind === 'malformed') return;
      if (answer.kind === 'incomplete') {
        expect(received.length).to.be.below(MAX_CONNECT_HEAD_BYTES);
        return;
      }
      expect(answer.headBytes).to.be.within(16, Math.min(received.length, MAX_CONNECT_HEAD_BYTES));
      expect(answer.status).to.be.within(100, 599);
    });
  });

  it('DNS answers are answers to the question or refused', () => {
    const query = Buffer.of(0x12, 0x34);
    const framed = bytes.map((rest) =>
      Uint8Array.from([0x12, 0x34, 0x80, 0, 0, 1, 0, 1, 0, 0, 0, 0, 1, 97, 0, 0, 1, 0, 1, ...rest]),
    );
    withstands(fc.oneof(bytes, framed, mutated(framed)), numRuns, (packet) => {
      try {
        const answer = decodeAnswer(Buffer.from(packet), { name: 'a', type: 'A' }, query);
        expect(answer.id).to.equal(0x1234);
      } catch (error) {
        expect(error).to.have.property('code', 'ERR_RSTREAM_DNS');
      }
    });
  });

  it('tokens and engine addresses are read without harm', () => {
    withstands(fc.string(), numRuns, (text) => {
      tokenExpiry(text);
      engineHostname(text);
    });
  });
});
