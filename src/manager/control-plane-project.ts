// Reads a control plane's answer to a resolve request and picks the engine address: the project's own one, or the one of
// the region asked for. Every string is checked, because the answer decides where tokens are sent.

import { formatEngine, isDnsLabel, isDnsName, parseEngine } from './engine-host.ts';
import { MANAGER_ERROR, type ManagerErrorCode } from './errors.ts';

/** What the answer says besides the engine is left out when it could not be true. */
export interface Project {
  readonly id?: string | undefined;
  readonly endpoint?: string | undefined;
  /** `host:port`. */
  readonly engine: string;
}

export interface ProjectProblem {
  readonly code: ManagerErrorCode;
  readonly reason: 'RegionUnavailable' | 'ControlPlaneUnavailable' | 'InvalidSpec';
  readonly message: string;
}

export type ProjectResult = { readonly project: Project } | { readonly problem: ProjectProblem };

/** As long as spec.projectID may be. */
const idPattern = /^[\x21-\x7e]{1,253}$/;
const regionPattern = /^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$/;

/** The region as it is compared: trimmed and lower-cased; undefined for none or `auto`. */
export function normalizeRegion(region: string | undefined): string | undefined {
  const text = region?.trim().toLowerCase();
  return text === undefined || text === '' || text === 'auto' ? undefined : text;
}

export function isRegion(text: string): boolean {
  return regionPattern.test(text);
}

/** `text` is the body of a 2xx answer. */
export function readProject(text: string, region: string | undefined): ProjectResult {
  const answer = parseObject(text);
  if (answer === undefined) return garbage('its answer is not a JSON object');
  const endpoint = fitting(trimmed(answer.endpoint)?.toLowerCase(), isDnsLabel);
  const id = fitting(trimmed(answer.id), (text) => idPattern.test(text));
  const wanted = normalizeRegion(region);

  const engine =
    wanted === undefined ? defaultEngine(endpoint, answer) : regionalEngine(endpoint, answer, wanted);
  if (typeof engine !== 'string') return { problem: engine };
  return { project: { id, endpoint, engine } };
}

function defaultEngine(
  endpoint: string | undefined,
  answer: Record<string, unknown>,
): string | ProjectProblem {
  const address = joinEngine(endpoint, answer.domain, answer.enginePort);
  if (address !== undefined) return address;
  const fallback = parseEngine(trimmed(answer.url) ?? '');
  if (fallback !== undefined) return formatEngine(fallback);
  return {
    code: MANAGER_ERROR.engineResolution,
    reason: 'ControlPlaneUnavailable',
    message:
      'the control plane named no usable engine: endpoint, domain or enginePort is missing or malformed',
  };
}

function regionalEngine(
  endpoint: string | undefined,
  answer: Record<string, unknown>,
  wanted: string,
): string | ProjectProblem {
  const entries = (Array.isArray(answer.regionalEndpoints) ? answer.regionalEndpoints : [])
    .filter(isObject)
    .map((entry) => ({ entry, region: trimmed(entry.region)?.toLowerCase() ?? '' }))
    .filter(({ region }) => isRegion(region));
  const matches = entries.filter(({ region }) => region === wanted);
  const [match] = matches;

  if (match === undefined) {
    const available = [...new Set(entries.map(({ region }) => region))].toSorted().slice(0, 64).join(', ');
    return {
      code: MANAGER_ERROR.regionUnavailable,
      reason: 'RegionUnavailable',
      message: `region ${wanted} is not available to this project; available: ${available || 'none'}`,
    };
  }
  if (matches.length > 1) {
    return {
      code: MANAGER_ERROR.regionAmbiguous,
      reason: 'RegionUnavailable',
      message: `region ${wanted} is ambiguous: the project has ${matches.length} endpoints there; choose another region`,
    };
  }
  return (
    joinEngine(endpoint, match.entry.domain, match.entry.enginePort) ?? {
      code: MANAGER_ERROR.apiInvalidResponse,
      reason: 'ControlPlaneUnavailable',
      message: `the control plane's entry for region ${wanted} lacks a usable domain or enginePort`,
    }
  );
}

function joinEngine(endpoint: string | undefined, domain: unknown, port: unknown): string | undefined {
  const name = trimmed(domain)?.toLowerCase();
  const number = port === undefined || port === null ? 443 : port;
  if (endpoint === undefined || name === undefined || !isDnsName(name)) return undefined;
  if (typeof number !== 'number' || !Number.isInteger(number) || number < 1 || number > 65_535)
    return undefined;
  const host = `${endpoint}.${name}`;
  return isDnsName(host) ? formatEngine({ host, port: number }) : undefined;
}

function garbage(what: string): ProjectResult {
  return {
    problem: {
      code: MANAGER_ERROR.apiInvalidResponse,
      reason: 'ControlPlaneUnavailable',
      message: `the control plane answered something else than a project: ${what}`,
    },
  };
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function fitting(text: string | undefined, fits: (text: string) => boolean): string | undefined {
  return text !== undefined && fits(text) ? text : undefined;
}

function trimmed(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined;
  return value.trim() === '' ? undefined : value.trim();
}
