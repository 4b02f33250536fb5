// The rules an RstreamConnection's spec must obey, beyond the structure of its fields.

import type { ControlPlaneHeader, RstreamConnectionSpec } from '../../generated/rstream-connection.ts';
import { type Rule, rule } from './json-schema.ts';
import { celPattern, ENGINE, matches, PLAIN_URL } from './patterns.ts';

type Spec = RstreamConnectionSpec;

/** Headers that HTTP itself or the operator sets. */
export const RESERVED_HEADERS: readonly string[] = [
  'authorization',
  'connection',
  'content-length',
  'cookie',
  'forwarded',
  'host',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

export const headerRules: readonly Rule[] = [
  rule<ControlPlaneHeader>(
    `!(self.name.lowerAscii() in ${JSON.stringify(RESERVED_HEADERS)}) && !self.name.lowerAscii().startsWith('x-forwarded-')`,
    `controlPlaneHeaders must not contain ${RESERVED_HEADERS.join(', ')} or x-forwarded-*`,
    ({ name }) =>
      !RESERVED_HEADERS.includes(name.toLowerCase()) && !name.toLowerCase().startsWith('x-forwarded-'),
  ),
];

const count = (...values: readonly unknown[]): number => values.filter((value) => value !== undefined).length;

const engineRules: readonly Rule[] = [
  rule<Spec>(
    '(has(self.projectEndpoint) ? 1 : 0) + (has(self.projectID) ? 1 : 0) + (has(self.engine) ? 1 : 0) == 1',
    'set exactly one of projectEndpoint, projectID and engine',
    (self) => count(self.projectEndpoint, self.projectID, self.engine) === 1,
  ),
  rule<Spec>(
    `!has(self.engine) || self.engine == '' || self.engine.matches(${celPattern(ENGINE)})`,
    'engine must be host, host:port or [IPv6]:port, without scheme, path or user info, and with a port from 1 to 65535',
    (self) => !self.engine || matches(self.engine, ENGINE),
  ),
  rule<Spec>(
    "!has(self.engine) || !has(self.region) || self.region == ''",
    'region is for projects; remove it or engine',
    (self) => self.engine === undefined || self.region === undefined || self.region === '',
  ),
  rule<Spec>(
    '!has(self.engine) || !has(self.controlPlaneHeaders) || size(self.controlPlaneHeaders) == 0',
    'controlPlaneHeaders are for projects; remove them or engine',
    (self) => self.engine === undefined || (self.controlPlaneHeaders ?? []).length === 0,
  ),
  rule<Spec>(
    `!has(self.apiURL) || self.apiURL == '' || self.apiURL.matches(${celPattern(PLAIN_URL)})`,
    'apiURL must be an https URL without user info, query and fragment',
    (self) => !self.apiURL || matches(self.apiURL, PLAIN_URL),
  ),
];

const credentialRules: readonly Rule[] = [
  rule<Spec>(
    'has(self.tokenSecretRef) != has(self.mtls)',
    'set exactly one of tokenSecretRef and mtls',
    (self) => count(self.tokenSecretRef, self.mtls) === 1,
  ),
  rule<Spec>(
    '!(has(self.projectEndpoint) || has(self.projectID)) || has(self.tokenSecretRef) || !has(self.mtls)',
    'projectEndpoint and projectID need tokenSecretRef; mtls is for engine only',
    (self) =>
      count(self.projectEndpoint, self.projectID) === 0 ||
      self.tokenSecretRef !== undefined ||
      self.mtls === undefined,
  ),
  rule<Spec>(
    '!has(self.tls) || !has(self.tls.caSecretRef) || !has(self.mtls) || !has(self.mtls.caSecretRef)',
    'set only one of tls.caSecretRef and mtls.caSecretRef',
    (self) => count(self.tls?.caSecretRef, self.mtls?.caSecretRef) < 2,
  ),
];

const headerNameRule = rule<Spec>(
  '!has(self.controlPlaneHeaders) || self.controlPlaneHeaders.all(a, self.controlPlaneHeaders.all(b, a.name == b.name || a.name.lowerAscii() != b.name.lowerAscii()))',
  'controlPlaneHeaders has a name twice; upper and lower case make no difference',
  (self) => {
    const names = new Set((self.controlPlaneHeaders ?? []).map(({ name }) => name));
    return new Set([...names].map((name) => name.toLowerCase())).size === names.size;
  },
);

export const connectionRules: readonly Rule[] = [...engineRules, ...credentialRules, headerNameRule];
