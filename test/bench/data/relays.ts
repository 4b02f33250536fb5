// The relays that are compared: the agent as it is shipped, the reference in Go, and the official Python SDK's forwarder. Each
// is a process of its own, joined to the driver that was started for it.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { pythonWithSdk } from '../../support/python-sdk.ts';
import { nodeArgs } from '../node-args.ts';
import { Driver } from './driver.ts';

export interface Programs {
  readonly driver: string;
  /** The reference. */
  readonly relay: string;
  /** The bundled agent. */
  readonly agent: string;
}

export type RelayName = 'agent' | 'reference' | 'reference resuming' | 'python';

export interface Relay {
  readonly name: RelayName;
  readonly pid: number;
  readonly driver: Driver;
  /** Milliseconds from the start of the process until its tunnel was open. */
  readonly startMs: number;
  stop(): Promise<void>;
}

interface Start {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts the relay and waits until its tunnel is online. */
export async function startRelay(name: RelayName, programs: Programs): Promise<Relay> {
  const driver = await Driver.start(programs.driver);
  const { command, args, env } = await startOf(name, programs, driver);
  const started = performance.now();
  const child = spawn(command, args, {
    stdio: ['pipe', 'ignore', 'inherit'],
    env: { PATH: process.env.PATH, HOME: process.env.HOME, RSTREAM_AUTHENTICATION_TOKEN: 'T', ...env },
  });
  await Promise.race([driver.online(), exited(name, child)]);
  const startMs = performance.now() - started;
  return { name, pid: child.pid ?? 0, driver, startMs, stop: () => stop(child, driver) };
}

async function startOf(name: RelayName, programs: Programs, driver: Driver): Promise<Start> {
  const { engine, target, caFile, directory } = driver;
  switch (name) {
    case 'agent': {
      const file = join(directory, 'config.yaml');
      writeFileSync(file, stringify(agentConfig(driver)));
      // The limit of an agent's Pod, where its tunnel sets none.
      const heap = nodeArgs('256Mi');
      const args = [...heap, programs.agent, `--config=${file}`, '--health-bind-address=127.0.0.1:0'];
      return { command: process.execPath, args, env: { NODE_ENV: 'production' } };
    }
    case 'python': {
      const [, port] = target.split(':');
      const tunnels = [{ name: 'bench', forwardTo: Number(port) }];
      const settings = { engine, caFile, token: 'T', tunnels };
      const script = join(import.meta.dirname, '..', '..', 'conformance', 'sdk.py');
      const env = { SDK_SETTINGS: JSON.stringify(settings) };
      return { command: await pythonWithSdk(), args: [script, 'serve'], env };
    }
    default: {
      const args = ['--engine', engine, '--target', target, '--ca', caFile];
      const resume = name === 'reference resuming' ? ['--resume'] : [];
      return { command: programs.relay, args: [...args, ...resume] };
    }
  }
}

/** What the manager would write for a tunnel of one stream of bytes. */
function agentConfig({ engine, target, caFile }: Driver): object {
  const [host, port] = target.split(':');
  return {
    connection: { engine, tls: { caFile } },
    tunnel: { name: 'bench', publish: false, type: 'bytestream' },
    target: { host, port, protocol: 'TCP' },
  };
}

async function exited(name: RelayName, child: ChildProcess): Promise<never> {
  const [code] = await once(child, 'exit');
  throw new Error(`${name} ended with ${code} before its tunnel was online`);
}

async function stop(child: ChildProcess, driver: Driver): Promise<void> {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
  driver.stop();
}
