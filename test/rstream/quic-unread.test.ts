// When a connection holds too much that nobody reads.

import { expect } from 'chai';
import { MAX_STREAM_WINDOW, STREAM_WINDOW } from '../../src/rstream/quic-config.ts';
import { MAX_UNREAD_BYTES, QuicUnread } from '../../src/rstream/quic-unread.ts';

const packetBytes = 1_350;

describe('QuicUnread', () => {
  let recv: number;
  let unread: QuicUnread;
  beforeEach(() => {
    recv = 0;
    unread = new QuicUnread({
      stats: () => ({ recv, recvBytes: recv * packetBytes, peerMaxIdleTimeout: 0, lost: 0 }),
    });
  });
  const receive = (bytes: number) => (recv += Math.ceil(bytes / (packetBytes - 40)));
  const leave = (count: number, read = 0): readonly object[] =>
    Array.from({ length: count }, () => {
      const stream = {};
      unread.add(stream, read);
      return stream;
    });

  it('is full with as many streams as may hold that much, when that much has come', () => {
    const streams = leave(MAX_UNREAD_BYTES / STREAM_WINDOW);
    expect(unread.full, 'as long as little has come').to.equal(false);
    receive(MAX_UNREAD_BYTES);
    expect(unread.full).to.equal(true);
    unread.delete(streams[0] ?? {});
    expect(unread.full).to.equal(false);
  });

  it('counts a stream once, and more when it was read at full speed', () => {
    receive(MAX_UNREAD_BYTES);
    const full = MAX_UNREAD_BYTES / MAX_STREAM_WINDOW;
    const streams = leave(full - 1, MAX_STREAM_WINDOW);
    for (const stream of streams) unread.add(stream, MAX_STREAM_WINDOW);
    receive(MAX_UNREAD_BYTES);
    expect(unread.full).to.equal(false);
    leave(1, MAX_STREAM_WINDOW);
    expect(unread.full).to.equal(true);
  });

  it('does not count what came before, nor what was read', () => {
    receive(2 * MAX_UNREAD_BYTES);
    leave(1_000);
    expect(unread.full).to.equal(false);
    receive(MAX_UNREAD_BYTES);
    unread.read(packetBytes);
    expect(unread.full).to.equal(false);
  });
});
