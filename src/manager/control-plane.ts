// Asks a control plane which engine serves a project. One request, no redirect, a bounded body and a deadline; what comes
// back is either the project or a failure that says which condition reason it is and whether trying again can help.

import { lookup as systemLookup } from 'node:dns';
import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import { type Clock, systemClock } from '../common/clock.ts';
import { codeOf, messageOf } from '../common/errors.ts';
import type { Cidr } from './address-policy.ts';
import { type Project, readProject } from './control-plane-project.ts';
import { type ProjectRef, projectUrl } from './control-plane-url.ts';
import { MANAGER_ERROR, type ManagerErrorCode } from './errors.ts';
import { guardedLookup, type Lookup, type ResolveAll, refuseLiteral } from './guarded-lookup.ts';

export interface ResolveRequest {
  readonly apiUrl: string;
  readonly project: ProjectRef;
  readonly region?: string | undefined;
  readonly token: string;
  /** Custom headers by name; sent to the control plane only. */
  readonly headers?: ReadonlyMap<string, string>;
  readonly signal: AbortSignal;
}

export type FailureReason =
  | 'InvalidSpec'
  | 'Unauthorized'
  | 'Forbidden'
  | 'ProjectNotFound'
  | 'RegionUnavailable'
  | 'PolicyDenied'
  | 'ControlPlaneUnavailable';

/** Why a project could not be resolved. `message` is our own sentence; `body` is for logs of the caller's choice only. */
export interface ResolveFailure {
  readonly reason: FailureReason;
  readonly code: ManagerErrorCode;
  readonly message: string;
  readonly status?: number | undefined;
  readonly body?: string | undefined;
  readonly retryAfterMs?: number | undefined;
}

export type ResolveOutcome = { readonly project: Project } | { readonly failure: ResolveFailure };

export interface ControlPlaneOptions {
  readonly allowInsecure: boolean;
  readonly allowCidrs: readonly Cidr[];
  /** Proxies as the environment names them; a name that goes through one is resolved there, and not judged here. */
  readonly proxies?: ProxyEnvironment | undefined;
  /** Told the HTTP status of every answer, or `error`. */
  readonly onAnswer?: (code: string) => void;
  readonly now?: () => Date;
  readonly resolveAll?: ResolveAll;
  /** For the deadline of a request; default: the system's. */
  readonly clock?: Clock;
}

/** What Node's agents read of an environment to choose a proxy. */
export interface ProxyEnvironment {
  readonly HTTPS_PROXY?: string | undefined;
  readonly HTTP_PROXY?: string | undefined;
  readonly NO_PROXY?: string | undefined;
}

export type ResolveProject = (request: ResolveRequest) => Promise<ResolveOutcome>;

const maxBodyBytes = 64 * 1024;
const timeoutMs = 15_000;
const maxRetryAfterMs = 60 * 60_000;

/** The client; it keeps no state between requests. */
export function controlPlaneClient(options: ControlPlaneOptions): ResolveProject {
  return async (request) => {
    const target = projectUrl(request.apiUrl, request.project, options.allowInsecure);
    if ('problem' in target) return { failure: target.problem };
    try {
      const answer = await get(target.url, request, options);
      options.onAnswer?.(String(answer.status));
      return judge(answer, request.region, options.now?.() ?? new Date());
    } catch (error) {
      if (request.signal.aborted) throw error;
      options.onAnswer?.('error');
      return { failure: networkFailure(error, target.url.hostname) };
    }
  };
}

interface Answer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly body: string;
}

function get(url: URL, request: ResolveRequest, options: ControlPlaneOptions): Promise<Answer> {
  const hostname = url.hostname.replace(/^\[|\]$/g, '');
  const refusal = isIP(hostname) ? refuseLiteral(hostname, options.allowCidrs) : undefined;
  if (refusal) return Promise.reject(refusal);

  const late = new AbortController();
  const deadline = (options.clock ?? systemClock).after(timeoutMs, () => late.abort(), { unref: true });
  const signal = AbortSignal.any([request.signal, late.signal]);
  const [send, Agent] = url.protocol === 'https:' ? [httpsRequest, HttpsAgent] : [httpRequest, HttpAgent];
  const agent = new Agent({ keepAlive: false, ...(options.proxies && { proxyEnv: { ...options.proxies } }) });
  const answered = new Promise<Answer>((resolve, reject) => {
    const outgoing = send(
      url,
      {
        agent,
        signal,
        lookup: lookupFor(hostname, options),
      },
      (response) => readAnswer(response).then(resolve, reject),
    );
    outgoing.on('error', reject);
    try {
      setHeaders(outgoing, request);
      outgoing.end();
    } catch (error) {
      outgoing.destroy();
      reject(error);
    }
  });
  return answered.finally(() => deadline.cancel());
}

/** Judges the control plane's own name; a proxy is the administrator's choice and may be anywhere. */
function lookupFor(target: string, { allowCidrs, resolveAll }: ControlPlaneOptions): Lookup {
  const guarded = guardedLookup(allowCidrs, resolveAll);
  return (hostname, options, callback) =>
    hostname === target ? guarded(hostname, options, callback) : systemLookup(hostname, options, callback);
}

function setHeaders(outgoing: ClientRequest, request: ResolveRequest): void {
  outgoing.setHeader('accept', 'application/json');
  for (const [name, value] of request.headers ?? []) outgoing.setHeader(name, value);
  outgoing.setHeader('authorization', `Bearer ${request.token}`);
}

async function readAnswer(response: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response) {
    const bytes: Buffer = Buffer.from(chunk);
    size += bytes.length;
    if (size > maxBodyBytes) throw new Error(`the answer is longer than ${maxBodyBytes} bytes`);
    chunks.push(bytes);
  }
  return {
    status: response.statusCode ?? 0,
    retryAfter: response.headers['retry-after'],
    body: Buffer.concat(chunks).toString('utf8'),
  };
}

function judge(answer: Answer, region: string | undefined, now: Date): ResolveOutcome {
  const { status, body } = answer;
  if (status < 200 || status > 299) {
    const { reason, sentence } = refusalOf(status);
    const retryAfterMs = parseRetryAfter(answer.retryAfter, now);
    const message = `the control plane answered ${status}: ${sentence}`;
    return { failure: { reason, code: MANAGER_ERROR.apiHttp, message, status, body, retryAfterMs } };
  }
  const result = readProject(body, region);
  return 'project' in result ? result : { failure: { ...result.problem, status, body } };
}

function refusalOf(status: number): { readonly reason: FailureReason; readonly sentence: string } {
  if (status === 401)
    return {
      reason: 'Unauthorized',
      sentence: 'it does not accept the token; put a valid one in the Secret',
    };
  if (status === 403)
    return { reason: 'Forbidden', sentence: 'the token may not use this project; grant it access' };
  if (status === 404)
    return {
      reason: 'ProjectNotFound',
      sentence: 'it knows no such project; check spec.projectEndpoint or spec.projectID',
    };
  if (status === 429)
    return { reason: 'ControlPlaneUnavailable', sentence: 'it asks for fewer requests; trying again later' };
  if (status >= 300 && status < 400) {
    return {
      reason: 'ControlPlaneUnavailable',
      sentence: 'redirects are not followed; set spec.apiURL to the final address',
    };
  }
  return { reason: 'ControlPlaneUnavailable', sentence: 'trying again later' };
}

function networkFailure(error: unknown, hostname: string): ResolveFailure {
  if (codeOf(error) === MANAGER_ERROR.addressRefused) {
    return { reason: 'PolicyDenied', code: MANAGER_ERROR.addressRefused, message: messageOf(error) };
  }
  if (codeOf(error) === 'ERR_INVALID_CHAR' || codeOf(error) === 'ERR_HTTP_INVALID_HEADER_VALUE') {
    const message =
      'the token or a control-plane header value contains characters that HTTP cannot carry; replace it';
    return { reason: 'InvalidSpec', code: MANAGER_ERROR.apiUnreachable, message };
  }
  const message = `the control plane at ${hostname} could not be asked: ${causeWords(error)}; check spec.apiURL and the way there`;
  return { reason: 'ControlPlaneUnavailable', code: MANAGER_ERROR.apiUnreachable, message };
}

const wordsOfCodes = new Map([
  ['ENOTFOUND', 'no such name'],
  ['EAI_AGAIN', 'its name could not be looked up'],
  ['ECONNREFUSED', 'it refuses connections'],
  ['EHOSTUNREACH', 'no route leads there'],
  ['ENETUNREACH', 'no route leads there'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'its certificate is for another name'],
  ['CERT_HAS_EXPIRED', 'its certificate has expired'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'its certificate is not trusted'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'its certificate is not trusted'],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'its certificate is not trusted'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'its certificate is not trusted'],
]);

/** Words that stay the same from one attempt to the next, so that a failing control plane does not make the status flap. */
function causeWords(error: unknown): string {
  const name = error instanceof Error ? error.name : '';
  if (name === 'AbortError' || name === 'TimeoutError') return 'no answer in time';
  const code = codeOf(error);
  if (code === undefined) return messageOf(error);
  const words = wordsOfCodes.get(code);
  return words === undefined ? code : `${words} (${code})`;
}

/** Retry-After in milliseconds, from seconds or an HTTP date, at most an hour. */
export function parseRetryAfter(value: string | undefined, now: Date): number | undefined {
  if (value === undefined) return undefined;
  const text = value.trim();
  const delay = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now.getTime();
  return Number.isFinite(delay) ? Math.min(Math.max(delay, 0), maxRetryAfterMs) : undefined;
}
