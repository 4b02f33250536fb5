import { expect } from 'chai';
import { MAX_CONNECT_HEAD_BYTES, parseConnectResponse } from '../../src/rstream/connect-response.ts';

describe('parseConnectResponse', () => {
  it('finds the status and where the tunnel begins', () => {
    const head = 'HTTP/1.1 200 Connection established\r\nVia: proxy\r\n\r\n';
    expect(parseConnectResponse(Buffer.from(`${head}tunnel`))).to.deep.equal({
      kind: 'complete',
      status: 200,
      reason: 'Connection established',
      headBytes: head.length,
    });
  });

  for (const text of ['', 'H', 'HTTP/1.', 'HTTP/1.0 200', 'HTTP/1.1 200 OK\r\nVia: x\r\n']) {
    it(`waits for more after "${JSON.stringify(text)}"`, () => {
      expect(parseConnectResponse(Buffer.from(text)).kind).to.equal('incomplete');
    });
  }

  for (const text of [
    'SSH-2.0-x',
    'HTTP/2 200\r\n\r\n',
    'HTTP/1.1 20\r\n\r\n',
    'HTTP/1.1 999 x\r\n\r\n',
    '\x16\x03\x01',
  ]) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      expect(parseConnectResponse(Buffer.from(text)).kind).to.equal('malformed');
    });
  }

  it('refuses a head without end', () => {
    const endless = Buffer.concat([
      Buffer.from('HTTP/1.1 200 OK\r\n'),
      Buffer.alloc(MAX_CONNECT_HEAD_BYTES, 'x'),
    ]);
    expect(parseConnectResponse(endless).kind).to.equal('malformed');
  });

  it('makes the words of a proxy fit for a log', () => {
    const answer = parseConnectResponse(Buffer.from('HTTP/1.1 407 \x1b[31mno\x00\r\n\r\n', 'latin1'));
    expect(answer).to.have.property('reason', '?[31mno?');
    const wordy = parseConnectResponse(Buffer.from(`HTTP/1.1 407 ${'no'.repeat(100)}\r\n\r\n`));
    expect(wordy).to.have.property('reason', 'no'.repeat(50));
  });
});
