// The engine's own certificate authority: made once, kept in two PEM files, and signing a leaf for any name on demand.
// A development authority: its key lies beside the certificate, readable by the owner only.

import { webcrypto } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { dirname } from 'node:path';
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { EngineOptionError } from './errors.ts';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const dayMs = 24 * 60 * 60 * 1000;

/** A certificate chain and its private key, both PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateAuthority {
  /** The authority's own certificate, PEM: what clients and visitors have to trust. */
  readonly certificate: string;
  /** A server certificate for host names and IP addresses; names may begin with `*.`. */
  issueServer(names: readonly string[]): Promise<Certificate>;
  /** A certificate a client may authenticate with; `commonName` becomes its user. */
  issueClient(commonName: string): Promise<Certificate>;
}

/** Reads the authority at `path` and `path`.key, or makes both when neither exists. Throws when only one does. */
export async function openCertificateAuthority(path: string): Promise<CertificateAuthority> {
  x509.cryptoProvider.set(webcrypto);
  const keyPath = `${path}.key`;
  const [hasCertificate, hasKey] = [existsSync(path), existsSync(keyPath)];
  if (hasCertificate !== hasKey) {
    throw new EngineOptionError(
      `${hasCertificate ? keyPath : path} is missing; remove ${hasCertificate ? path : keyPath} too and a new authority is made`,
    );
  }
  if (!hasCertificate) {
    const made = await makeAuthority();
    await mkdir(dirname(path), { recursive: true });
    await writeAtomically(keyPath, made.key, 0o600);
    await writeAtomically(path, made.cert, 0o644);
  }
  return loadAuthority(await readFile(path, 'utf8'), await readFile(keyPath, 'utf8'));
}

/** An authority that lives in memory only. */
export async function createCertificateAuthority(): Promise<CertificateAuthority> {
  x509.cryptoProvider.set(webcrypto);
  const made = await makeAuthority();
  return loadAuthority(made.cert, made.key);
}

async function makeAuthority(): Promise<Certificate> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: randomSerial(),
    name: 'CN=rstream dev engine CA',
    notBefore: new Date(Date.now() - dayMs),
    notAfter: new Date(Date.now() + 3650 * dayMs),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { cert: certificate.toString('pem'), key: await exportKey(keys.privateKey) };
}

async function loadAuthority(cert: string, key: string): Promise<CertificateAuthority> {
  const issuer = new x509.X509Certificate(cert);
  const der = x509.PemConverter.decodeFirst(key);
  const signingKey = await webcrypto.subtle.importKey('pkcs8', der, algorithm, false, ['sign']);
  // One leaf key for the life of the process: minting a name costs one signature.
  const leafKeys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const leafKey = await exportKey(leafKeys.privateKey);

  const issue = async (commonName: string, usage: string, extra: x509.Extension[]): Promise<Certificate> => {
    const leaf = await x509.X509CertificateGenerator.create({
      serialNumber: randomSerial(),
      subject: [{ CN: [commonName.slice(0, 64)] }],
      issuer: issuer.subject,
      notBefore: new Date(Date.now() - dayMs),
      notAfter: new Date(Date.now() + 365 * dayMs),
      signingAlgorithm: algorithm,
      publicKey: leafKeys.publicKey,
      signingKey,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([usage]),
        await x509.AuthorityKeyIdentifierExtension.create(issuer),
        await x509.SubjectKeyIdentifierExtension.create(leafKeys.publicKey),
        ...extra,
      ],
    });
    return { cert: `${leaf.toString('pem')}\n${cert.trim()}\n`, key: leafKey };
  };

  return {
    certificate: cert,
    issueServer: (names) => {
      const entries = names.map((name) => ({ type: isIP(name) ? 'ip' : 'dns', value: name }) as const);
      const alternative = new x509.SubjectAlternativeNameExtension(entries);
      return issue(names[0] ?? 'rstream', x509.ExtendedKeyUsage.serverAuth, [alternative]);
    },
    issueClient: (commonName) => issue(commonName, x509.ExtendedKeyUsage.clientAuth, []),
  };
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY');
}

/** 16 random bytes with the top bit clear: a serial number is a positive integer. */
function randomSerial(): string {
  const bytes = webcrypto.getRandomValues(new Uint8Array(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return Buffer.from(bytes).toString('hex');
}

async function writeAtomically(path: string, text: string, mode: number): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  await writeFile(temporary, text, { mode });
  await rename(temporary, path);
}
