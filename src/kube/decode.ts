// Turns what the API server sent into objects, lists, watch events and errors, or throws: the one place where unknown JSON
// becomes a typed value. Only the parts this runtime relies on are checked; the schema of each kind is the API server's business.

import { ApiError, KubeError, kubeErrorCodes, type StatusDetails } from './errors.ts';
import type { HttpAnswer } from './http.ts';
import type { KubeObject } from './object.ts';
import { apiVersionOf, type Resource, resourceName } from './resource.ts';

export interface ListPage<T> {
  readonly resourceVersion: string;
  /** Absent on the last page. */
  readonly continueToken: string | undefined;
  readonly items: readonly T[];
}

export type WatchEvent<T> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: T }
  /** Nothing changed up to here; a later watch may start from it. */
  | { readonly type: 'BOOKMARK'; readonly resourceVersion: string };

type Fields = Readonly<Record<string, unknown>>;

/** Parses a body of JSON that must be an object. */
export function parseBody(body: Buffer | string, what: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(typeof body === 'string' ? body : body.toString('utf8'));
  } catch (error) {
    throw new KubeError(kubeErrorCodes.protocol, `${what}: the answer is not JSON`, { cause: error });
  }
  if (!isFields(value))
    throw new KubeError(kubeErrorCodes.protocol, `${what}: the answer is not a JSON object`);
  return value;
}

/** An object of the resource; lists leave out apiVersion and kind of their items, so they are filled in. */
export function decodeObject<T extends KubeObject>(resource: Resource<T>, value: unknown): T {
  if (!isFields(value) || !isFields(value.metadata) || typeof value.metadata.name !== 'string') {
    throw new KubeError(kubeErrorCodes.protocol, `an object among ${resourceName(resource)} has no name`);
  }
  const typed = { ...value, apiVersion: apiVersionOf(resource), kind: resource.kind };
  return typed as unknown as T;
}

/** An empty PartialObjectMetadataList has `items: null`. */
export function decodeList<T extends KubeObject>(resource: Resource<T>, fields: Fields): ListPage<T> {
  const { metadata, items } = fields;
  const what = `the list of ${resourceName(resource)}`;
  if (
    !isFields(metadata) ||
    typeof metadata.resourceVersion !== 'string' ||
    metadata.resourceVersion === ''
  ) {
    throw new KubeError(kubeErrorCodes.protocol, `${what} has no resourceVersion`);
  }
  if (items !== null && items !== undefined && !Array.isArray(items)) {
    throw new KubeError(kubeErrorCodes.protocol, `${what} has no items`);
  }
  const next = metadata.continue;
  return {
    resourceVersion: metadata.resourceVersion,
    continueToken: typeof next === 'string' && next !== '' ? next : undefined,
    items: (items ?? []).map((item: unknown) => decodeObject(resource, item)),
  };
}

/** One line of a watch. Throws the ApiError an ERROR event carries. */
export function decodeWatchEvent<T extends KubeObject>(resource: Resource<T>, line: string): WatchEvent<T> {
  const what = `the watch of ${resourceName(resource)}`;
  const { type, object } = parseBody(line, what);
  switch (type) {
    case 'ADDED':
    case 'MODIFIED':
    case 'DELETED':
      return { type, object: decodeObject(resource, object) };
    case 'BOOKMARK': {
      const metadata = isFields(object) ? object.metadata : undefined;
      const version = isFields(metadata) ? metadata.resourceVersion : undefined;
      if (typeof version === 'string' && version !== '') return { type, resourceVersion: version };
      throw new KubeError(kubeErrorCodes.protocol, `${what}: a bookmark has no resourceVersion`);
    }
    case 'ERROR':
      throw statusError(isFields(object) ? object : {}, 500, undefined);
    default:
      throw new KubeError(kubeErrorCodes.protocol, `${what}: an event of unknown type`);
  }
}

const notServed = 'the API server does not serve this resource; install its CustomResourceDefinition';

/** The error of an answer with a status of 400 or more, whether its body is a metav1.Status or not. */
export function errorOf(answer: HttpAnswer): ApiError {
  let fields: Fields = {};
  try {
    fields = parseBody(answer.body, 'error');
  } catch {
    // Proxies and the API server's own filters answer in plain text: the first line says enough.
    const text = answer.body.subarray(0, 512).toString('utf8').split('\n')[0]?.trim();
    // A path that it knows nothing of is such a text too, and so a resource whose definition is not there.
    const message = answer.status === 404 ? notServed : text;
    fields = message ? { message } : {};
  }
  return statusError(fields, answer.status, retryAfterMs(answer.retryAfter));
}

function statusError(fields: Fields, status: number, retryAfter: number | undefined): ApiError {
  const details = isFields(fields.details) ? decodeDetails(fields.details) : undefined;
  const seconds = details?.retryAfterSeconds;
  return new ApiError({
    status: typeof fields.code === 'number' && fields.code >= 400 ? fields.code : status,
    reason: typeof fields.reason === 'string' ? fields.reason : undefined,
    message: typeof fields.message === 'string' ? fields.message : `the API server answered ${status}`,
    details,
    retryAfterMs: retryAfter ?? (seconds && seconds > 0 ? seconds * 1000 : undefined),
  });
}

function decodeDetails(fields: Fields): StatusDetails {
  const text = (value: unknown) => (typeof value === 'string' ? value : undefined);
  const causes = Array.isArray(fields.causes) ? fields.causes.filter(isFields) : [];
  return {
    name: text(fields.name),
    group: text(fields.group),
    kind: text(fields.kind),
    causes: causes.map((cause) => ({
      reason: text(cause.reason),
      message: text(cause.message),
      field: text(cause.field),
    })),
    retryAfterSeconds: typeof fields.retryAfterSeconds === 'number' ? fields.retryAfterSeconds : undefined,
  };
}

/** Kubernetes sends seconds, never a date. https://datatracker.ietf.org/doc/html/rfc9110#section-10.2.3 */
function retryAfterMs(header: string | undefined): number | undefined {
  if (header === undefined || !/^\d{1,6}$/.test(header)) return undefined;
  return Number(header) * 1000;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
