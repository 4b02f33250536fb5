// What a connection to an API server needs. Implementations re-read what rotates; the transport asks before each request.

/** PEM texts for TLS; a new object identity or new values make the transport open new connections. */
export interface TlsMaterial {
  /** Absent: the system's own roots. */
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** Name to verify instead of the host. */
  readonly serverName?: string | undefined;
  /** Only when a kubeconfig says so. */
  readonly insecureSkipVerify?: boolean | undefined;
}

export interface Credentials {
  /** `https://host:port`, with an optional path prefix and no trailing slash. */
  readonly baseUrl: string;
  /** Cached by the implementation; cheap to call before each request. */
  tls(): Promise<TlsMaterial>;
  /** The value of the Authorization header, or undefined with client certificates. */
  authorization(): Promise<string | undefined>;
  /** Called after a 401: forget what is cached, so that the next call reads it again. */
  invalidate?(): void;
}
