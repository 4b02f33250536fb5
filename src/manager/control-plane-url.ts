// The URL a project is resolved at, built from what users wrote. Nothing they write can leave the resolve path.

import { MANAGER_ERROR, type ManagerErrorCode } from './errors.ts';

export type ProjectRef = { readonly endpoint: string } | { readonly id: string };

export interface UrlProblem {
  readonly code: ManagerErrorCode;
  readonly reason: 'InvalidSpec' | 'PolicyDenied';
  readonly message: string;
}

export type ProjectUrl = { readonly url: URL } | { readonly problem: UrlProblem };

/** `GET` here resolves the project. Plain http is refused unless `allowInsecure`. */
export function projectUrl(apiUrl: string, project: ProjectRef, allowInsecure: boolean): ProjectUrl {
  const base = URL.parse(apiUrl.trim());
  if (base === null || (base.protocol !== 'https:' && base.protocol !== 'http:')) {
    return invalid(
      `spec.apiURL "${printable(apiUrl)}" is not an https URL; write one like https://rstream.io`,
    );
  }
  if (
    base.username !== '' ||
    base.password !== '' ||
    base.search !== '' ||
    base.hash !== '' ||
    /[?#]/.test(apiUrl)
  ) {
    return invalid('spec.apiURL must not carry user info, a query or a fragment; remove them');
  }
  if (base.protocol === 'http:' && !allowInsecure) {
    const message =
      'spec.apiURL uses http, and the token would travel in the clear; use https, or start the manager with --allow-insecure-control-plane';
    return { problem: { code: MANAGER_ERROR.invalidApiUrl, reason: 'PolicyDenied', message } };
  }

  const [field, value, prefix] =
    'endpoint' in project
      ? ['projectEndpoint', project.endpoint.trim(), 'resolve/']
      : ['projectID', project.id.trim(), ''];
  const segment = pathSegment(value);
  if (segment === undefined) {
    return invalid(
      `spec.${field} "${printable(value)}" cannot name a project; it must not be ".", ".." or contain "/"`,
    );
  }
  return { url: new URL(`${base.href.replace(/\/+$/, '')}/api/projects/tunnels/${prefix}${segment}`) };
}

function pathSegment(value: string): string | undefined {
  if (value === '' || value === '.' || value === '..' || value.includes('/')) return undefined;
  try {
    return encodeURIComponent(value);
  } catch {
    return undefined;
  }
}

function invalid(message: string): ProjectUrl {
  return { problem: { code: MANAGER_ERROR.invalidApiUrl, reason: 'InvalidSpec', message } };
}

/** User text as it may appear in a message: short, and without user info that could be a password. */
function printable(text: string): string {
  return text.replace(/\/\/[^/]*@/, '//…@').slice(0, 100);
}
