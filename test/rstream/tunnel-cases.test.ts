// Conformance cases 44 to 56: tunnels.

import { expect } from 'chai';
import { EngineError } from '../../src/rstream/errors.ts';
import { encodeMessage, errorMessage, type Payload } from '../../src/rstream/messages.ts';
import type { TunnelRequest } from '../../src/rstream/tunnel-properties.ts';
import type { EngineSide } from '../support/engine-side.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { type OpenChannel, openTunnel, ScriptedEngine } from '../support/scripted-engine.ts';
import { acceptBytes, acceptStream, dialBack, echo, rejection } from '../support/streams.ts';

describe('tunnels', () => {
  let engine: ScriptedEngine;
  beforeEach(async () => {
    engine = await ScriptedEngine.start();
  });
  afterEach(() => engine.stop());

  /** Starts a request and takes it off the wire. */
  const ask = async ({ channel, control }: OpenChannel, request: TunnelRequest = {}) => {
    const opening = channel.openTunnel(request);
    opening.catch(() => {});
    return { opening, request: await control.skipTo('openTunnelReq') };
  };
  const open = (control: EngineSide, requestId: string, id: string) =>
    control.send({
      case: 'openTunnelRsp',
      value: { requestId, payload: { case: 'tunnelProperties', value: { id } } },
    });
  const closed = (control: EngineSide, tunnelId = 't1') =>
    control.send({ case: 'closeTunnelRsp', value: { tunnelId } });

  it('case 44: asks for exactly what was set, false included', async () => {
    const opened = await engine.open();
    const { request } = await ask(opened, {
      name: 'web',
      protocol: 'http',
      labels: new Map([
        ['team', 'edge'],
        ['__proto__', 'polluted'],
      ]),
      trustedIps: ['192.0.2.0/24'],
      tokenAuth: true,
      rstreamAuth: false,
      challengeMode: true,
    });
    const again = await ask(opened);

    const { tunnelProperties: asked } = request;
    expect(asked).to.include({
      name: 'web',
      protocol: 'http',
      tokenAuth: true,
      rstreamAuth: false,
      challengeMode: true,
    });
    expect(asked?.publish).to.equal(undefined);
    expect(asked?.trustedIps).to.deep.equal(['192.0.2.0/24']);
    expect(Object.entries(asked?.labels ?? {})).to.deep.equal([
      ['team', 'edge'],
      ['__proto__', 'polluted'],
    ]);
    expect(request.requestId).to.match(/^[0-9a-f-]{36}$/);
    expect(again.request.requestId).not.to.equal(request.requestId);
  });

  it('case 47: a refusal fails that call only', async () => {
    const opened = await engine.open();
    const { opening, request } = await ask(opened);
    opened.control.send({
      case: 'openTunnelRsp',
      value: {
        requestId: request.requestId,
        payload: { case: 'error', value: errorMessage(2000, 'hostname in use') },
      },
    });

    expect(await rejection(opening))
      .to.be.instanceOf(EngineError)
      .and.include({ number: 2000 });
    await openTunnel(opened);
  });

  it('case 48: an empty answer, or one without an id, is a protocol error for that call only', async () => {
    const opened = await engine.open();
    const empty = await ask(opened);
    opened.control.send({ case: 'openTunnelRsp', value: { requestId: empty.request.requestId } });
    expect(await rejection(empty.opening)).to.have.property('code', 'ERR_RSTREAM_PROTOCOL');

    const blank = await ask(opened);
    open(opened.control, blank.request.requestId, ' ');
    expect(await rejection(blank.opening)).to.have.property('code', 'ERR_RSTREAM_PROTOCOL');

    await openTunnel(opened);
    const twin = await ask(opened);
    open(opened.control, twin.request.requestId, 't1');
    expect(await rejection(twin.opening)).to.have.property('code', 'ERR_RSTREAM_PROTOCOL');
  });

  it('case 49: after a timeout the next request succeeds', async () => {
    const clock = new ManualClock();
    const opened = await engine.open({ clock });
    const { opening } = await ask(opened);
    await clock.advance(30_000);

    expect(await rejection(opening)).to.have.property('code', 'ERR_RSTREAM_OPERATION_TIMEOUT');
    expect(await openTunnel(opened)).to.have.property('id', 't1');
  });

  it('case 50: a success that comes too late is closed again', async () => {
    const clock = new ManualClock();
    const opened = await engine.open({ clock });
    const { opening, request } = await ask(opened);
    await clock.advance(30_000);
    await rejection(opening);
    open(opened.control, request.requestId, 'orphan');

    expect(await opened.control.expect('closeTunnelReq')).to.include({ tunnelId: 'orphan' });
  });

  it('case 51: 24 requests answered backwards each get their own tunnel', async () => {
    const { channel, control } = await engine.open();
    const names = Array.from({ length: 24 }, (_, index) => `tunnel-${index}`);
    const opening = names.map((name) => channel.openTunnel({ name }));
    const requests = [];
    for (const _ of names) requests.push(await control.expect('openTunnelReq'));
    for (const { requestId, tunnelProperties } of requests.reverse()) {
      open(control, requestId, `id-of-${tunnelProperties?.name}`);
    }

    const tunnels = await Promise.all(opening);
    expect(tunnels.map((tunnel) => tunnel.id)).to.deep.equal(names.map((name) => `id-of-${name}`));
  });

  it('bounds the requests that await an answer', async () => {
    const { channel, control } = await engine.open({ limits: { pendingTunnels: 2 } });
    const pending = [channel.openTunnel({}), channel.openTunnel({})];
    for (const opening of pending) opening.catch(() => {});

    expect(await rejection(channel.openTunnel({}))).to.have.property('code', 'ERR_RSTREAM_CONTROL_OVERLOAD');
    const { requestId } = await control.expect('openTunnelReq');
    open(control, requestId, 't1');
    await pending[0];
    await control.expect('openTunnelReq');
    await openTunnel({ channel, control }, {}, { id: 't3' });
  });

  it('gives up a request when its caller does', async () => {
    const { channel, control } = await engine.open();
    const cancel = new AbortController();
    const opening = channel.openTunnel({}, cancel.signal);
    opening.catch(() => {});
    const { requestId } = await control.expect('openTunnelReq');
    cancel.abort(new Error('no longer wanted'));
    expect(await rejection(opening)).to.have.property('message', 'no longer wanted');

    open(control, requestId, 'unwanted');
    expect(await control.expect('closeTunnelReq')).to.include({ tunnelId: 'unwanted' });
  });

  it('case 52: sends nothing for a request that cannot work', async () => {
    const { channel, control } = await engine.open();
    const impossible: readonly TunnelRequest[] = [
      { protocol: 'tcp', hostname: 'web.example.test' },
      { protocol: 'tcp', publish: false },
      { protocol: 'http', port: 8080 },
      { port: 8080 },
      { protocol: 'tcp', port: 0 },
      { protocol: 'tcp', port: 65_536 },
      { protocol: 'tcp', tokenAuth: false },
      { protocol: 'tcp', type: 'datagram' },
    ];
    for (const request of impossible) {
      expect(await rejection(channel.openTunnel(request))).to.have.property(
        'code',
        'ERR_RSTREAM_INVALID_TUNNEL',
      );
    }

    await openTunnel({ channel, control });
    expect(control.unread).to.have.length(0);
  });

  it('case 53: says what tcp implies, and shows the port the engine chose', async () => {
    const { channel, control } = await engine.open();
    const opening = channel.openTunnel({ protocol: 'tcp' });
    const { requestId, tunnelProperties } = await control.expect('openTunnelReq');
    const value = { id: 't1', protocol: 'tcp', hostname: 'tcp.example.test', port: 10_042 };
    control.send({
      case: 'openTunnelRsp',
      value: { requestId, payload: { case: 'tunnelProperties', value } },
    });

    expect(tunnelProperties).to.include({ publish: true, type: 'bytestream' });
    expect(tunnelProperties?.port).to.equal(undefined);
    expect((await opening).forwardingAddress).to.equal('tcp.example.test:10042 (tcp)');
  });

  it('case 54: three closes at once are one request, and a fourth none', async () => {
    const opened = await engine.open();
    const tunnel = await openTunnel(opened);
    const closing = Promise.all([tunnel.close(), tunnel.close(), tunnel.close()]);
    await opened.control.expect('closeTunnelReq');
    closed(opened.control);
    await closing;
    await tunnel.close();

    expect(await tunnel.done).to.equal('closed');
    await openTunnel(opened, {}, { id: 't2' });
    expect(opened.control.unread).to.have.length(0);
  });

  it('case 55: a close without answer times out, the tunnel stays, a second close succeeds', async () => {
    const clock = new ManualClock();
    const opened = await engine.open({ clock });
    const tunnel = await openTunnel(opened);
    const first = tunnel.close();
    first.catch(() => {});
    await opened.control.expect('closeTunnelReq');
    await clock.advance(30_000);
    expect(await rejection(first)).to.have.property('code', 'ERR_RSTREAM_OPERATION_TIMEOUT');
    await acceptStream(engine, opened, tunnel);

    const second = tunnel.close();
    await opened.control.skipTo('closeTunnelReq');
    closed(opened.control);
    await second;
    expect(await tunnel.done).to.equal('closed');
  });

  it('case 56: a tunnel the engine revokes accepts nothing more, and requests for it are refused', async () => {
    const opened = await engine.open();
    const tunnel = await openTunnel(opened);
    const accepting = tunnel.accept();
    closed(opened.control);
    expect(await accepting).to.equal(undefined);
    expect(await tunnel.done).to.equal('revoked');

    opened.control.send({ case: 'proxyConnReq', value: { tunnelId: 't1', streamId: 's1' } });
    const answer = await opened.control.expect('proxyConnRsp');
    expect(answer.error?.code).to.equal(4000);
    expect(engine.connections).to.have.length(1);
  });

  it('case 56: a tunnel revoked in the same breath in which it was opened is revoked, not unknown', async () => {
    const opened = await engine.open();
    const { opening, request } = await ask(opened);
    const value = {
      requestId: request.requestId,
      payload: { case: 'tunnelProperties', value: { id: 't1' } },
    } as const;
    const frames: readonly Payload[] = [
      { case: 'openTunnelRsp', value },
      { case: 'closeTunnelRsp', value: { tunnelId: 't1' } },
    ];
    opened.control.raw(Buffer.concat(frames.map(encodeMessage)));
    const tunnel = await opening;
    expect(await tunnel.done).to.equal('revoked');
    expect(await tunnel.accept()).to.equal(undefined);
  });

  it('a tunnel the engine revokes leaves its streams alone: whoever has it now serves the next ones', async () => {
    const opened = await engine.open();
    const tunnel = await openTunnel(opened);
    const { dialled, stream } = await acceptStream(engine, opened, tunnel);
    closed(opened.control);
    expect(await tunnel.done).to.equal('revoked');
    echo(stream);
    dialled.raw('still here');
    expect(await dialled.text(10)).to.equal('still here');
  });

  it('release serves requests until the engine lets go, and leaves streams alone', async () => {
    const opened = await engine.open();
    const tunnel = await openTunnel(opened);
    const releasing = tunnel.release();
    await opened.control.expect('closeTunnelReq');
    const { dialled, stream } = await acceptStream(engine, opened, tunnel);
    expect((await opened.control.expect('proxyConnRsp')).error).to.equal(undefined);
    closed(opened.control);
    await releasing;

    expect(await tunnel.done).to.equal('released');
    expect(await tunnel.accept()).to.equal(undefined);
    stream.connection.stream.write('still here');
    expect(await dialled.text(10)).to.equal('still here');
  });

  it('release delivers dial-backs that were under way', async () => {
    const opened = await engine.open({ zeroRtt: false });
    const tunnel = await openTunnel(opened);
    const { dialled } = await dialBack(engine, opened.control);
    const releasing = tunnel.release();
    closed(opened.control);
    await opened.control.skipTo('closeTunnelReq');
    dialled.send({ case: 'proxyRsp', value: {} });
    await releasing;

    await acceptBytes(tunnel);
    expect(await tunnel.accept()).to.equal(undefined);
  });

  it('release does not wait for ever', async () => {
    const clock = new ManualClock();
    const opened = await engine.open({ clock });
    const tunnel = await openTunnel(opened);
    const releasing = tunnel.release();
    await opened.control.expect('closeTunnelReq');
    await clock.advance(5_000);
    await releasing;

    expect(await tunnel.done).to.equal('released');
  });
});
