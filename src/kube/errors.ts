// Every error of the controller runtime: ApiError for what the API server answered, the others for what happened on the way.

import { CodedError } from '../common/errors.ts';

export const kubeErrorCodes = {
  /** The API server answered with an error status. */
  api: 'ERR_KUBE_API',
  /** No answer: refused, reset, TLS, DNS. */
  connection: 'ERR_KUBE_CONNECTION',
  /** No complete answer before the deadline, or a watch that fell silent. */
  timeout: 'ERR_KUBE_TIMEOUT',
  /** An answer that is not what the API promises: garbage, truncated, too large. */
  protocol: 'ERR_KUBE_PROTOCOL',
  /** The write gate was closed when the request was about to be sent; nothing was sent. */
  gated: 'ERR_KUBE_GATED',
  /** Credentials could not be read. */
  credentials: 'ERR_KUBE_CREDENTIALS',
} as const;

export type KubeErrorCode = (typeof kubeErrorCodes)[keyof typeof kubeErrorCodes];

/** A failure below the API: the request may or may not have been processed, except with code ERR_KUBE_GATED. */
export class KubeError extends CodedError {
  declare readonly code: KubeErrorCode;

  constructor(code: KubeErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(code, message, options);
  }
}

export interface StatusCause {
  readonly reason?: string | undefined;
  readonly message?: string | undefined;
  readonly field?: string | undefined;
}

/** metav1.Status as far as we read it. */
export interface StatusDetails {
  readonly name?: string | undefined;
  readonly group?: string | undefined;
  readonly kind?: string | undefined;
  readonly causes?: readonly StatusCause[] | undefined;
  readonly retryAfterSeconds?: number | undefined;
}

export interface ApiErrorOptions {
  readonly status: number;
  readonly reason?: string | undefined;
  readonly message: string;
  readonly details?: StatusDetails | undefined;
  readonly retryAfterMs?: number | undefined;
}

/** What the API server answered instead of a result. The message is the server's own. */
export class ApiError extends KubeError {
  /** HTTP status code. */
  readonly status: number;
  /** metav1.StatusReason: NotFound, Conflict, AlreadyExists, Invalid, Forbidden, Expired, TooManyRequests, … */
  readonly reason: string | undefined;
  readonly details: StatusDetails | undefined;
  /** How long the server asks us to wait, from Retry-After or details.retryAfterSeconds. */
  readonly retryAfterMs: number | undefined;

  constructor(options: ApiErrorOptions) {
    super(kubeErrorCodes.api, options.message);
    this.status = options.status;
    this.reason = options.reason;
    this.details = options.details;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** 403: a right is missing. */
export function isForbidden(thrown: unknown): boolean {
  return thrown instanceof ApiError && thrown.status === 403;
}

/** Not known, a right is missing, or the resource is: until somebody changes that, every try ends the same. */
export function isRefused(thrown: unknown): boolean {
  return thrown instanceof ApiError && [401, 403, 404].includes(thrown.status);
}

/** 404. */
export function isNotFound(thrown: unknown): boolean {
  return thrown instanceof ApiError && thrown.status === 404;
}

/** 409 of an optimistic lock, a uid precondition or a field another manager owns; not AlreadyExists. */
export function isConflict(thrown: unknown): boolean {
  return thrown instanceof ApiError && thrown.status === 409 && thrown.reason !== 'AlreadyExists';
}

/** 409 AlreadyExists, the answer to a create. */
export function isAlreadyExists(thrown: unknown): boolean {
  return thrown instanceof ApiError && thrown.status === 409 && thrown.reason === 'AlreadyExists';
}

/** 422: the object itself is refused, trying again will not help. */
export function isInvalid(thrown: unknown): boolean {
  return thrown instanceof ApiError && thrown.status === 422;
}

/** 422 of a JSON patch that does not fit the object, such as a `test` that failed: nothing was judged, so it names no kind. */
export function isPatchMismatch(thrown: unknown): boolean {
  return isInvalid(thrown) && thrown instanceof ApiError && thrown.details?.kind === undefined;
}

/** 410: a resourceVersion or continue token that is too old. */
export function isExpired(thrown: unknown): boolean {
  return thrown instanceof ApiError && (thrown.status === 410 || thrown.reason === 'Expired');
}
