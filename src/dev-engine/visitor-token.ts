// The token a visitor of a token-protected tunnel presents: a bearer header, or the query parameter `rstream.token`, which
// is taken out so that the service does not see it.

export interface VisitorToken {
  readonly token: string | undefined;
  /** The path without the parameter. */
  readonly path: string;
}

const parameter = 'rstream.token';

export function takeVisitorToken(path: string, authorization: string | string[] | undefined): VisitorToken {
  const bearer = /^bearer\s+(\S+)\s*$/i.exec(Array.isArray(authorization) ? '' : (authorization ?? ''))?.[1];
  const mark = path.indexOf('?');
  if (mark < 0) return { token: bearer, path };

  const pairs = path.slice(mark + 1).split('&');
  const isToken = (pair: string) => pair === parameter || pair.startsWith(`${parameter}=`);
  const value = pairs.find(isToken)?.slice(parameter.length + 1);
  const kept = pairs.filter((pair) => !isToken(pair)).join('&');
  return {
    token: bearer ?? decode(value),
    path: kept ? `${path.slice(0, mark)}?${kept}` : path.slice(0, mark),
  };
}

function decode(value: string | undefined): string | undefined {
  try {
    return value ? decodeURIComponent(value) : undefined;
  } catch {
    return undefined;
  }
}
