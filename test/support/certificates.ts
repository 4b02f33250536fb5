// Certificates for tests, signed by one authority per test run that nothing else trusts.

import {
  type Certificate,
  type CertificateAuthority,
  createCertificateAuthority,
} from '../../src/dev-engine/certificate-authority.ts';

let shared: Promise<CertificateAuthority> | undefined;

export function testAuthority(): Promise<CertificateAuthority> {
  shared ??= createCertificateAuthority();
  return shared;
}

/** A server certificate for localhost and the loopback addresses, and for more names when given. */
export async function serverCertificate(...names: string[]): Promise<Certificate & { readonly ca: string }> {
  const authority = await testAuthority();
  const issued = await authority.issueServer(['localhost', '127.0.0.1', '::1', ...names]);
  return { ...issued, ca: authority.certificate };
}
