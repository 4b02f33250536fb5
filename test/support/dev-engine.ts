// A dev engine inside the test's own process, on a free port, with token "T".

import {
  type CertificateAuthority,
  createCertificateAuthority,
} from '../../src/dev-engine/certificate-authority.ts';
import { type Engine, type EngineOptions, startEngine } from '../../src/dev-engine/engine.ts';

let shared: Promise<CertificateAuthority> | undefined;

/** One authority for all engines of a test run. */
export function testAuthority(): Promise<CertificateAuthority> {
  shared ??= createCertificateAuthority();
  return shared;
}

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
