import { expect } from 'chai';
import { FrameTooLargeError } from '../../src/rstream/errors.ts';
import { encodeFrame, FrameReader } from '../../src/rstream/frame.ts';

describe('FrameReader', () => {
  it('puts a frame together from single bytes', () => {
    const reader = new FrameReader();
    const frame = encodeFrame(Buffer.from('hello'));

    const bodies = [...frame].map((byte) => {
      reader.push(Buffer.of(byte));
      return reader.next();
    });

    expect(bodies.slice(0, -1).every((body) => body === undefined)).to.equal(true);
    expect(bodies.at(-1)?.toString()).to.equal('hello');
    expect(reader.atBoundary).to.equal(true);
  });

  it('takes several frames out of one chunk and gives back what follows them', () => {
    const reader = new FrameReader();
    reader.push(
      Buffer.concat([encodeFrame(Buffer.from('a')), encodeFrame(Buffer.alloc(0)), Buffer.from('rest')]),
    );

    expect(reader.next()?.toString()).to.equal('a');
    expect(reader.next()).to.have.length(0);
    expect(reader.remainder().toString()).to.equal('rest');
    expect(reader.atBoundary).to.equal(true);
  });

  it('refuses 65 536 bytes on the header alone, and for ever after', () => {
    const reader = new FrameReader();
    reader.push(Buffer.of(0, 1, 0, 0));

    expect(reader.next()).to.be.instanceOf(FrameTooLargeError);
    reader.push(encodeFrame(Buffer.from('a')));
    expect(reader.next()).to.be.instanceOf(FrameTooLargeError);
  });

  it('refuses lengths that a signed number could not hold', () => {
    const reader = new FrameReader();
    reader.push(Buffer.of(0xff, 0xff, 0xff, 0xff));

    expect(reader.next()).to.be.instanceOf(FrameTooLargeError);
  });

  it('carries 65 535 bytes', () => {
    const body = Buffer.alloc(65_535, 7);
    const reader = new FrameReader();
    reader.push(encodeFrame(body));

    expect(body.equals(reader.next() as Buffer)).to.equal(true);
  });

  it('knows that input may not end in the middle of a frame', () => {
    const reader = new FrameReader();
    reader.push(Buffer.of(0, 0, 0));
    expect(reader.atBoundary).to.equal(false);
  });

  it('will not encode more than it would read', () => {
    expect(() => encodeFrame(Buffer.alloc(65_536))).to.throw(FrameTooLargeError);
  });
});
