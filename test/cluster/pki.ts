// The cluster's certificates: one authority, EC keys, one certificate per identity, and a kubeconfig for each client.

import 'reflect-metadata';
import { createHash, generateKeyPairSync, webcrypto } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { type NodePaths, network } from './settings.ts';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const validMs = 30 * 24 * 3600 * 1000;

interface Identity {
  readonly file: string;
  readonly subject: string;
  /** Names and addresses of a server; absent for a client. */
  readonly names?: readonly x509.JsonGeneralName[];
}

const dns = (value: string): x509.JsonGeneralName => ({ type: 'dns', value });
const ip = (value: string): x509.JsonGeneralName => ({ type: 'ip', value });
const nodeUser = `O=system:nodes, CN=system:node:${network.nodeName}`;

const identities: readonly Identity[] = [
  {
    file: 'apiserver',
    subject: 'CN=kube-apiserver',
    names: [
      ...['127.0.0.1', network.nodeIp, network.kubernetesServiceIp].map(ip),
      ...['localhost', 'kubernetes', 'kubernetes.default', 'kubernetes.default.svc'].map(dns),
      dns('kubernetes.default.svc.cluster.local'),
    ],
  },
  { file: 'kubelet-serving', subject: nodeUser, names: [ip(network.nodeIp), dns(network.nodeName)] },
  { file: 'admin', subject: 'O=system:masters, CN=admin' },
  { file: 'kubelet-client', subject: 'O=system:masters, CN=apiserver-kubelet-client' },
  { file: 'kubelet', subject: nodeUser },
  { file: 'controller-manager', subject: 'CN=system:kube-controller-manager' },
  { file: 'scheduler', subject: 'CN=system:kube-scheduler' },
  { file: 'proxy', subject: 'CN=system:kube-proxy' },
];

/** Writes every certificate, key and in-cluster kubeconfig into the node's pki folder. */
export async function writePki(paths: NodePaths): Promise<void> {
  mkdirSync(paths.pki, { recursive: true, mode: 0o700 });
  const authority = await makeAuthority(paths.pki);
  for (const identity of identities) await issue(paths.pki, authority, identity);

  const serviceAccount = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  write(paths.pki, 'sa.key', serviceAccount.privateKey.export({ type: 'sec1', format: 'pem' }).toString());
  write(paths.pki, 'sa.pub', serviceAccount.publicKey.export({ type: 'spki', format: 'pem' }).toString());
  for (const client of ['kubelet', 'controller-manager', 'scheduler', 'proxy']) {
    write(
      paths.pki,
      `${client}.kubeconfig`,
      kubeconfig(paths, client, `${network.nodeIp}:${network.apiPort}`),
    );
  }
}

/** A kubeconfig whose one context is named like the node. */
export function kubeconfig(paths: NodePaths, client: string, server: string): string {
  return `apiVersion: v1
kind: Config
clusters: [{name: ${paths.name}, cluster: {server: "https://${server}", certificate-authority: "${paths.pki}/ca.crt"}}]
users: [{name: ${client}, user: {client-certificate: "${paths.pki}/${client}.crt", client-key: "${paths.pki}/${client}.key"}}]
contexts: [{name: ${paths.name}, context: {cluster: ${paths.name}, user: ${client}}}]
current-context: ${paths.name}
`;
}

interface Authority {
  readonly keys: webcrypto.CryptoKeyPair;
  readonly certificate: x509.X509Certificate;
}

async function makeAuthority(folder: string): Promise<Authority> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=kube-ca',
    ...validity(),
    keys,
    signingAlgorithm: algorithm,
    serialNumber: serial('kube-ca'),
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  write(folder, 'ca.crt', `${certificate.toString('pem')}\n`);
  write(folder, 'ca.key', await privateKeyPem(keys));
  return { keys, certificate };
}

async function issue(folder: string, authority: Authority, identity: Identity): Promise<void> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const usage = identity.names ? x509.ExtendedKeyUsage.serverAuth : x509.ExtendedKeyUsage.clientAuth;
  const certificate = await x509.X509CertificateGenerator.create({
    subject: identity.subject,
    issuer: authority.certificate.subject,
    ...validity(),
    publicKey: keys.publicKey,
    signingKey: authority.keys.privateKey,
    signingAlgorithm: algorithm,
    serialNumber: serial(identity.file),
    extensions: [
      new x509.BasicConstraintsExtension(false),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([usage]),
      await x509.AuthorityKeyIdentifierExtension.create(authority.keys.publicKey),
      ...(identity.names ? [new x509.SubjectAlternativeNameExtension([...identity.names])] : []),
    ],
  });
  write(folder, `${identity.file}.crt`, `${certificate.toString('pem')}\n`);
  write(folder, `${identity.file}.key`, await privateKeyPem(keys));
}

/** Starts an hour ago, because clocks of containers and hosts differ. */
function validity(): { readonly notBefore: Date; readonly notAfter: Date } {
  return { notBefore: new Date(Date.now() - 3_600_000), notAfter: new Date(Date.now() + validMs) };
}

function serial(name: string): string {
  return createHash('sha256').update(name).digest('hex').slice(0, 16).replace(/^./, '1');
}

async function privateKeyPem(keys: webcrypto.CryptoKeyPair): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
  return `-----BEGIN PRIVATE KEY-----\n${der.toString('base64').replaceAll(/.{1,64}/g, '$&\n')}-----END PRIVATE KEY-----\n`;
}

function write(folder: string, name: string, text: string): void {
  writeFileSync(join(folder, name), text, { mode: name.endsWith('.key') ? 0o600 : 0o644 });
}
