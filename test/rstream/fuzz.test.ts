// Hostile input: whatever arrives, the parsers neither throw, hang nor keep more than they must. RSTREAM_FUZZ_RUNS sets how
// many inputs each gets.

import { expect } from 'chai';
import fc from 'fast-check';
import { MAX_CONNECT_HEAD_BYTES, parseConnectResponse } from '../../src/rstream/connect-response.ts';
import { decodeAnswer } from '../../src/rstream/dns-exchange.ts';
import { FrameTooLargeError, ProtocolError } from '../../src/rstream/errors.ts';
import { encodeFrame, FrameReader } from '../../src/rstream/frame.ts';
import { decodeMessage, encodeMessage } from '../../src/rstream/messages.ts';
import { engineHostname } from '../../src/rstream/stable-domain.ts';
import { tokenExpiry } from '../../src/rstream/token.ts';

const numRuns = Number(process.env.RSTREAM_FUZZ_RUNS ?? 5_000);
const bytes = fc.uint8Array({ maxLength: 200 });
const chunks = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 20 });

describe('hostile input', function () {
  this.timeout(60_000 + numRuns * 2);

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
      { numRuns },
    );
  });

  it('the frame reader takes anything, and loses nothing', () => {
    fc.assert(
      fc.property(chunks, (pieces) => {
        const reader = new FrameReader();
        let taken = 0;
        for (const piece of pieces) {
          reader.push(piece);
          for (let body = reader.next(); body !== undefined; body = reader.next()) {
            if (body instanceof FrameTooLargeError) return;
            taken += 4 + body.length;
          }
        }
        const total = pieces.reduce((sum, piece) => sum + piece.length, 0);
        expect(taken + reader.remainder().length).to.equal(total);
      }),
      { numRuns },
    );
  });

  it('the message decoder returns a message or a protocol error', () => {
    const tagged = fc.tuple(fc.integer({ min: 1, max: 18 }), bytes).map(([field, value]) => {
      const tag = (field << 3) | 2;
      const head = tag < 128 ? [tag] : [(tag & 127) | 128, tag >> 7];
      return Uint8Array.from([...head, Math.min(value.length, 127), ...value]);
    });
    fc.assert(
      fc.property(fc.oneof(bytes, tagged), (body) => {
        const message = decodeMessage(body);
        if (message instanceof ProtocolError) return;
        expect(message.$typeName).to.equal('rstream.io_rstrm.protobuf.Message');
      }),
      { numRuns },
    );
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
      { numRuns },
    );
  });

  it('the CONNECT response parser never throws, and never looks past its bound', () => {
    const almost = fc
      .tuple(fc.constantFrom('HTTP/1.1 200', 'HTTP/1.', 'HTTP/1.0 407 x\r\n'), fc.string())
      .map((p) => Buffer.from(p.join('')));
    fc.assert(
      fc.property(fc.oneof(bytes, almost), (received) => {
        const answer = parseConnectResponse(Buffer.from(received));
        if (answer.kind !== 'complete') return;
        expect(answer.headBytes).to.be.within(16, Math.min(received.length, MAX_CONNECT_HEAD_BYTES));
        expect(answer.status).to.be.within(100, 599);
      }),
      { numRuns },
    );
  });

  it('DNS answers are answers to the question or refused', () => {
    const query = Buffer.of(0x12, 0x34);
    const framed = bytes.map((rest) =>
      Uint8Array.from([0x12, 0x34, 0x80, 0, 0, 1, 0, 1, 0, 0, 0, 0, 1, 97, 0, 0, 1, 0, 1, ...rest]),
    );
    fc.assert(
      fc.property(fc.oneof(bytes, framed), (packet) => {
        try {
          const answer = decodeAnswer(Buffer.from(packet), { name: 'a', type: 'A' }, query);
          expect(answer.id).to.equal(0x1234);
        } catch (error) {
          expect(error).to.have.property('code', 'ERR_RSTREAM_DNS');
        }
      }),
      { numRuns },
    );
  });

  it('tokens and engine addresses are read without harm', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        tokenExpiry(text);
        engineHostname(text);
      }),
      { numRuns },
    );
  });
});
