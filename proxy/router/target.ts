/** The request target, path and query in one string: read in place, since most requests need no part of it alone. */

/** Length of the path, without the query. */
export function pathLengthOf(target: string): number {
  const query = target.indexOf('?');
  return query === -1 ? target.length : query;
}

/** First value of the parameter, undecoded; `?k` and `?k=` both give the empty string (Envoy's query parser). */
export function firstQueryValue(path: string, pathLength: number, name: string): string | undefined {
  for (let start = pathLength + 1; start < path.length; ) {
    const ampersand = path.indexOf('&', start);
    const end = ampersand === -1 ? path.length : ampersand;
    const nameEnd = start + name.length;
    if (nameEnd <= end && path.startsWith(name, start)) {
      if (nameEnd === end) return '';
      if (path.charCodeAt(nameEnd) === 0x3d) return path.slice(nameEnd + 1, end);
    }
    start = end + 1;
  }
  return undefined;
}

/** A target or path always begins with a slash; one that lost it to a replacement gets it back. */
export function rooted(target: string): string {
  return target.startsWith('/') ? target : `/${target}`;
}
