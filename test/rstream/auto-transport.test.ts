import { PassThrough } from 'node:stream';
import { expect } from 'chai';
import { AutoTransport } from '../../src/rstream/auto-transport.ts';
import { streamConnection } from '../../src/rstream/connection.ts';
import { TransportError } from '../../src/rstream/errors.ts';
import type { ConnectTarget, EngineConnection, Transport } from '../../src/rstream/transport.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { rejection } from '../support/streams.ts';

const never = new AbortController().signal;
const control: ConnectTarget = { engine: { host: 'engine.test', port: 443 }, control: true };
const dialBack: ConnectTarget = { engine: control.engine };

/** Connects, fails or hangs, as it is told. */
class FakeTransport implements Transport {
  readonly clientCertificate = false;
  readonly connections: EngineConnection[] = [];
  attempts = 0;
  aborted = 0;
  does: 'connect' | 'fail' | 'hang' = 'connect';
  readonly #mode: 'tls' | 'quic';

  constructor(mode: 'tls' | 'quic') {
    this.#mode = mode;
  }

  async connect(_target: ConnectTarget, signal: AbortSignal): Promise<EngineConnection> {
    this.attempts += 1;
    if (this.does === 'fail') throw new TransportError(`${this.#mode} does not work here`);
    if (this.does === 'hang') {
      await new Promise((_resolve, reject) =>
        signal.addEventListener('abort', () => {
          this.aborted += 1;
          reject(signal.reason);
        }),
      );
    }
    const connection = streamConnection(this.#mode, new PassThrough());
    this.connections.push(connection);
    return connection;
  }

  close(): void {}
}

describe('AutoTransport', () => {
  let first: FakeTransport;
  let second: FakeTransport;
  let clock: ManualClock;
  let auto: AutoTransport;
  beforeEach(() => {
    first = new FakeTransport('quic');
    second = new FakeTransport('tls');
    clock = new ManualClock();
    auto = new AutoTransport({ first, second: () => second, headStartMs: 300, clock });
  });

  it('gives the first its head start, and stays with it when it wins', async () => {
    expect((await auto.connect(control, never)).mode).to.equal('quic');
    expect((await auto.connect(dialBack, never)).mode).to.equal('quic');
    await clock.advance(1_000);
    expect(second.attempts).to.equal(0);
    expect(clock.pending).to.equal(0);
  });

  it('lets the second join when the time is up, cancels the loser and stays with the winner', async () => {
    first.does = 'hang';
    const connecting = auto.connect(control, never);
    await clock.advance(299);
    expect(second.attempts).to.equal(0);
    await clock.advance(1);
    expect((await connecting).mode).to.equal('tls');
    expect(first.aborted).to.equal(1);
    first.does = 'connect';
    expect((await auto.connect(dialBack, never)).mode).to.equal('tls');
    expect(first.attempts).to.equal(1);
  });

  it('does not wait when the first fails at once, and names both causes when both do', async () => {
    first.does = 'fail';
    expect((await auto.connect(control, never)).mode).to.equal('tls');

    auto = new AutoTransport({ first, second: () => second, headStartMs: 300, clock });
    second.does = 'fail';
    const error = await rejection(auto.connect(control, never));
    expect(error).to.have.property('message', 'quic does not work here; tls does not work here');
  });

  it('never leaves the winner for a dial-back, but chooses anew for the next control channel once it failed', async () => {
    await auto.connect(control, never);
    first.does = 'fail';
    expect(await rejection(auto.connect(dialBack, never))).to.have.property(
      'message',
      'quic does not work here',
    );
    expect(await rejection(auto.connect(dialBack, never))).to.be.instanceOf(TransportError);
    expect(second.attempts).to.equal(0);
    expect((await auto.connect(control, never)).mode).to.equal('tls');
  });

  it('gives up with the caller', async () => {
    first.does = 'hang';
    second.does = 'hang';
    const cancel = new AbortController();
    const connecting = auto.connect(control, cancel.signal);
    await clock.advance(300);
    cancel.abort(new Error('enough'));
    expect(await rejection(connecting)).to.have.property('message', 'enough');
    expect([first.aborted, second.aborted]).to.deep.equal([1, 1]);
  });

  it('closes what comes too late', async () => {
    first.does = 'hang';
    const late = Promise.withResolvers<EngineConnection>();
    second.connect = () => late.promise;
    first.connect = async () => streamConnection('quic', new PassThrough());
    const slow = new AutoTransport({ first: second, second: () => first, headStartMs: 300, clock });
    const connecting = slow.connect(control, never);
    await clock.advance(300);
    expect((await connecting).mode).to.equal('quic');
    const loser = streamConnection('tls', new PassThrough());
    late.resolve(loser);
    await clock.advance(0);
    expect(loser.stream.destroyed).to.equal(true);
  });
});
