// What becomes of requests for streams for which there is no room.

import { expect } from 'chai';
import type { DialBackOutcome } from '../../src/rstream/client-types.ts';
import { eventually } from '../support/eventually.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { openTunnel, ScriptedEngine } from '../support/scripted-engine.ts';

describe('DialBackQueue', () => {
  let engine: ScriptedEngine;
  beforeEach(async () => {
    engine = await ScriptedEngine.start();
  });
  afterEach(async () => await engine.stop());

  it('answers with an error where there is no room, before it dials, and asks anew for those that waited', async () => {
    const clock = new ManualClock();
    const outcomes: DialBackOutcome[] = [];
    const asked: number[] = [];
    let room = true;
    const opened = await engine.open({
      clock,
      zeroRtt: false,
      limits: { activeDialBacks: 2, queuedDialBacks: 3 },
      observer: { dialBack: (outcome) => void outcomes.push(outcome) },
      hasRoom: (underWay) => {
        asked.push(underWay);
        return room;
      },
    });
    await openTunnel(opened);
    const request = (streamId: string) =>
      opened.control.send({ case: 'proxyConnReq', value: { tunnelId: 't1', streamId, secret: 's' } });
    const answer = async () => await opened.control.expect('proxyConnRsp');

    for (const id of ['first', 'second', 'waits', 'waits too']) request(id);
    await eventually('two are dialled', () => engine.connections.length === 3);
    room = false;
    await clock.advance(10_000);
    const answers = [await answer(), await answer(), await answer(), await answer()];
    expect(answers.map(({ error }) => error?.code)).to.deep.equal([6000, 6000, 6000, 6000]);
    const refused = answers.filter(({ error }) => error?.message?.includes('no memory'));
    expect(refused.map(({ streamId }) => streamId)).to.have.members(['waits', 'waits too']);

    request('third');
    expect((await answer()).error?.message).to.contain('no memory');
    expect(engine.connections.length, 'nothing more was dialled').to.equal(3);
    const codes = outcomes.map(({ error }) => (error as { readonly code?: string }).code);
    expect(codes.filter((code) => code === 'ERR_RSTREAM_NO_ROOM')).to.have.length(3);

    room = true;
    request('fourth');
    await eventually('there is room again', () => engine.connections.length === 4);
    expect(asked).to.deep.equal([0, 1, 1, 1, 0, 0]);
  });
});
