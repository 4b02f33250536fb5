// A dev engine inside the test's own process, on a free port, with token "T".

import { type Engine, startEngine } from '../../src/dev-engine/engine.ts';
import type { EngineOptions } from '../../src/dev-engine/engine-options.ts';
import { testAuthority } from './certificates.ts';

export async function startTestEngine(options: Partial<EngineOptions> = {}): Promise<Engine> {
  return startEngine({
    listen: { host: '127.0.0.1', port: 0 },
    authority: await testAuthority(),
    tokens: ['T'],
    domain: 'engine.test',
    recordLimit: 1000,
    ...options,
  });
}
