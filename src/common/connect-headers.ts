// The headers of a CONNECT request that nobody may set by hand, in lower case: the schema, the manager and the agent agree
// on them.

/** They carry credentials, which belong in a Secret. */
export const CREDENTIAL_HEADERS: readonly string[] = ['authorization', 'proxy-authorization', 'cookie'];

/** They say where the request goes and where it ends. Go's HTTP client leaves them out in silence, and so does the manager. */
export const MESSAGE_HEADERS: readonly string[] = [
  'connection',
  'content-length',
  'host',
  'transfer-encoding',
];
