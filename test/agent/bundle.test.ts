// What a process per tunnel pays for: the modules that end up in the agent's executable.

import { expect } from 'chai';
import { build } from 'esbuild';

describe("the agent's bundle", () => {
  it('holds neither cdk8s nor the Kubernetes client library nor anything of manager and dev engine', async () => {
    const { metafile } = await build({
      absWorkingDir: new URL('../..', import.meta.url).pathname,
      entryPoints: ['src/agent/main.ts'],
      bundle: true,
      platform: 'node',
      format: 'cjs',
      metafile: true,
      write: false,
      logLevel: 'error',
    });
    const modules = Object.keys(metafile.inputs);
    expect(modules).to.include('src/agent/supervisor.ts');
    const foreign =
      /node_modules\/(cdk8s|constructs|@kubernetes|commander|ws|undici)|^(charts-ts|src\/manager|src\/dev-engine)\//;
    expect(modules.filter((name) => foreign.test(name))).to.deep.equal([]);
  });
});
