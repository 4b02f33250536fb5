import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const module = new URL('../../src/common/shutdown.ts', import.meta.url);

/** Runs a process that prints `up`, then the abort reason, and lives until it is told to end. */
function start() {
  const script = `
    import { shutdownSignal } from ${JSON.stringify(module.href)};
    const signal = shutdownSignal();
    signal.addEventListener('abort', () => console.log(signal.reason.message));
    setInterval(() => {}, 1000);
    console.log('up');`;
  return spawn(process.execPath, ['--input-type=module', '-e', script], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

describe('shutdownSignal', () => {
  for (const [name, code] of [
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const) {
    it(`aborts on ${name}, and a second one ends the process with ${code}`, async () => {
      const child = start();
      const exited = once(child, 'exit');
      const lines = child.stdout.setEncoding('utf8')[Symbol.asyncIterator]();

      expect((await lines.next()).value).to.equal('up\n');
      child.kill(name);
      expect((await lines.next()).value).to.equal(`received ${name}\n`);
      child.kill(name);
      expect((await exited)[0]).to.equal(code);
    });
  }
});
