// Where the demo runs, and what it refuses: a cluster nobody named, half a request, an operator somebody else installed.

import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { demoTarget, intentions } from './target.ts';

describe('the demo’s target', () => {
  it('is a node of its own unless KUBE_CONTEXT names a cluster', () => {
    expect(demoTarget({}, 'up', 0)).to.deep.equal({ kind: 'own-node' });
    expect(demoTarget({ KUBECONFIG: '/etc/somebody', IMAGE: 'x' }, 'up', 0)).to.deep.equal({
      kind: 'own-node',
    });
    expect(demoTarget({ KUBE_CONTEXT: 'mine', IMAGE: 'image' }, 'up')).to.deep.equal({
      kind: 'context',
      context: 'mine',
      image: 'image',
    });
  });

  it('needs root for a node of its own, and says so before anything is built', () => {
    expect(() => demoTarget({}, 'up', 1000)).to.throw('needs root on Linux');
    expect(demoTarget({ KUBE_CONTEXT: 'mine', IMAGE: 'image' }, 'up', 1000)).to.include({ kind: 'context' });
  });

  it('needs an image that a named cluster can pull, to install but not to remove', () => {
    expect(() => demoTarget({ KUBE_CONTEXT: 'mine' }, 'up')).to.throw('KUBE_CONTEXT=mine needs IMAGE= too');
    expect(demoTarget({ KUBE_CONTEXT: 'mine' }, 'down')).to.include({ kind: 'context', context: 'mine' });
  });

  it('is told to its owner, with everything that will be made', () => {
    const text = intentions('mine', 'https://cluster.test');
    for (const word of [
      '"mine" (https://cluster.test)',
      'rstream-system',
      'rstream-engine',
      'rstream-demo',
    ]) {
      expect(text).to.include(word);
    }
    expect(text).to.include('make demo-down KUBE_CONTEXT=mine removes all of it again');
  });
});

describe('the demo on a cluster of somebody’s', function () {
  this.timeout(60_000);
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'rstream-demo-test-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** Runs the demo with a kubectl that writes down what it is asked, and says that everything named exists. */
  async function run(command: string, exists: RegExp) {
    const kubectl = join(folder, 'kubectl');
    const script = [
      '#!/bin/bash',
      `echo "$*" >>${folder}/calls`,
      `case "$*" in *"config view"*) echo https://cluster.test ;; esac`,
      `if [[ "$*" =~ ${exists.source} ]]; then echo '{}'; fi`,
    ];
    writeFileSync(kubectl, `${script.join('\n')}\n`);
    chmodSync(kubectl, 0o755);
    const main = join(import.meta.dirname, 'main.ts');
    const env = {
      PATH: `${folder}:${process.env.PATH}`,
      RSTREAM_TEST_HOME: folder,
      KUBE_CONTEXT: 'mine',
      IMAGE: 'image:1',
    };
    const result = await new Promise<{ code: number; text: string }>((resolve) => {
      execFile(process.execPath, [main, command], { env }, (error, stdout, stderr) =>
        resolve({ code: Number(error?.code ?? 0), text: stdout + stderr }),
      );
    });
    const calls = readFileSync(join(folder, 'calls'), 'utf8').trimEnd().split('\n');
    for (const call of calls) expect(call).to.match(/^--context mine /);
    return { ...result, calls };
  }

  it('says what it will do, and leaves alone an operator that it did not install', async () => {
    const { code, text, calls } = await run('up', /customresourcedefinition/);

    expect(code).to.equal(1);
    expect(text).to.include('This uses your cluster "mine" (https://cluster.test)');
    expect(text).to.include('has an rstream operator already');
    expect(calls.filter((call) => /apply|delete|create/.test(call))).to.deep.equal([]);
  });

  it('removes nothing where there is no demo', async () => {
    const { code, text, calls } = await run('down', /nothing-at-all/);

    expect(code).to.equal(0);
    expect(text).to.include('there is no demo in "mine"; nothing is removed');
    expect(calls.filter((call) => call.includes('delete'))).to.deep.equal([]);
  });

  it('removes what it made, and the engine’s namespace last', async () => {
    const { code, calls } = await run('down', /rstream-engine/);

    expect(code).to.equal(0);
    const deletions = calls.filter((call) => call.includes('delete'));
    expect(deletions[0]).to.include('delete namespace rstream-demo');
    expect(deletions.at(-1)).to.include('delete namespace rstream-engine');
  });
});
