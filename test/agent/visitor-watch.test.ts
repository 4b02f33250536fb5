import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { expect } from 'chai';
import { watchVisitor } from '../../src/agent/visitor-watch.ts';
import { brokenOff } from '../../src/rstream/stall-watch.ts';
import { eventually } from '../support/eventually.ts';
import { ManualClock } from '../support/manual-clock.ts';

describe('watching a visitor', () => {
  let server: Server;
  let visitor: Socket;
  /** Nobody reads from it. */
  let stream: Socket;
  let clock: ManualClock;
  let left: number;

  beforeEach(async () => {
    server = createServer({ pauseOnConnect: true, allowHalfOpen: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    visitor = connect({ port: typeof address === 'object' && address ? address.port : 0, host: '127.0.0.1' });
    visitor.on('error', () => {});
    [[stream]] = await Promise.all([once(server, 'connection'), once(visitor, 'connect')]);
    stream.on('error', () => {});
    clock = new ManualClock();
    left = 0;
  });
  afterEach(() => {
    visitor.destroy();
    stream.destroy();
    server.close();
  });

  const watch = () =>
    watchVisitor(stream, clock, () => {
      left += 1;
    });

  it('looks every half second, and tells once of one that broke off', async () => {
    watch();
    await clock.advance(60_000);
    visitor.end('and thank you');
    await clock.advance(60_000);
    expect(left).to.equal(0);
    visitor.resetAndDestroy();
    await eventually('the reset has arrived', () => brokenOff(stream));
    await clock.advance(500);
    expect([left, clock.pending]).to.deep.equal([1, 0]);
    stream.destroy();
    await once(stream, 'close');
    expect(left).to.equal(1);
  });

  it('tells of one that is gone already, and leaves nothing behind', async () => {
    stream.destroy();
    await once(stream, 'close');
    watch();
    expect([left, clock.pending]).to.deep.equal([1, 0]);
  });

  it('tells nothing any more once it is stopped', async () => {
    watch()();
    stream.destroy();
    await once(stream, 'close');
    expect([left, clock.pending, stream.listenerCount('close')]).to.deep.equal([0, 0, 0]);
  });
});
