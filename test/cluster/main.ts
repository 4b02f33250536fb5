// The test cluster on the command line: build, up, down, exec. `make cluster-up` and its siblings call it.

import { parseArgs } from 'node:util';
import { buildBinaries } from './build.ts';
import { execInNode, isNodeUp, startNode, stopNode } from './node.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { name: { type: 'string', default: 'demo' } },
});
const started = performance.now();
const say = (line: string): void =>
  console.log(`[${((performance.now() - started) / 1000).toFixed(1).padStart(5)} s] ${line}`);
const stop = new AbortController();
process.once('SIGINT', () => stop.abort(new Error('interrupted')));
process.once('SIGTERM', () => stop.abort(new Error('terminated')));

const commands: Readonly<Record<string, () => Promise<void>>> = {
  build: () => buildBinaries(say, stop.signal),
  up: async () => {
    const before = await isNodeUp(values.name);
    const file = await startNode({ name: values.name, say, signal: stop.signal });
    say(before ? 'the node was up already' : 'the node is up');
    console.log(`export KUBECONFIG=${file}`);
  },
  down: () => stopNode(values.name),
  exec: async () => {
    process.stdout.write(await execInNode(values.name, positionals.slice(1)));
  },
};

const command = commands[positionals[0] ?? ''];
if (!command) {
  console.error('usage: main.ts build | up | down | exec COMMAND…   [--name NAME]');
  process.exit(2);
}
try {
  await command();
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
