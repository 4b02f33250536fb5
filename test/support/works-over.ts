// Everything an engine and a client do with each other, over a transport under test.

import { once } from 'node:events';
import { expect } from 'chai';
import type { Transport } from '../../src/rstream/transport.ts';
import { type OpenChannel, openTunnel, type ScriptedEngine } from './scripted-engine.ts';
import { acceptStream, readBytes } from './streams.ts';

/** Control, dial-back, and a half-close each way. */
export async function worksOver(engine: ScriptedEngine, transport: Transport): Promise<OpenChannel> {
  const opened = await engine.open({ transport });
  const { dialled, stream } = await acceptStream(engine, opened, await openTunnel(opened));
  dialled.stream.end('to the agent');
  const ours = stream.connection.stream;
  expect((await readBytes(ours, 12)).toString()).to.equal('to the agent');
  const ended = once(ours, 'end');
  ours.resume();
  await ended;
  ours.end('to the engine');
  expect((await dialled.toEnd()).toString()).to.equal('to the engine');
  return opened;
}
