/** Readers behind %REQ()%, %RESP()% and %PATH()%. */

import type { Stream } from '../../stream/stream.ts';

type Reader = (stream: Stream) => string | undefined;

/** `NAME` or `NAME?FALLBACK`: the first of the two that the message has. */
export function createHeaderReader(argument: string, readerOf: (name: string) => Reader): Reader {
  const [name = '', fallback] = argument.toLowerCase().split('?', 2);
  const first = readerOf(name.trim());
  if (fallback === undefined || fallback.trim() === '') return first;
  const second = readerOf(fallback.trim());
  return (stream) => first(stream) ?? second(stream);
}

/** `name` is in lower case; pseudo-headers are named as in HTTP/2. A request that the codec refused has neither method nor path. */
export function requestReader(name: string): Reader {
  switch (name) {
    case ':path':
      return ({ request }) => request.path || undefined;
    case ':method':
      return ({ request }) => request.method || undefined;
    case ':authority':
    case 'host':
      return ({ request }) => request.authority || undefined;
    case ':scheme':
      return ({ request }) => request.scheme || undefined;
    case 'x-envoy-original-path':
      // What this proxy rewrote, never the header of that name: a peer could write any path into the log with it.
      return ({ request }) => request.originalPath;
    default:
      return ({ request }) => request.headers.get(name);
  }
}

export function responseReader(name: string): Reader {
  if (name === ':status') return ({ response }) => (response === undefined ? undefined : `${response.status}`);
  return ({ response }) => response?.headers.get(name);
}

/** `QUERY` or `QUERY:WHICH`: WQ with query (default) or NQ without; ORIG, PATH, or ORIG_OR_PATH (default). Or what is wrong. */
export function createPathReader(argument: string): Reader | string {
  const [query = '', which = 'ORIG_OR_PATH', ...rest] = argument === '' ? ['WQ'] : argument.split(':');
  const read = Object.hasOwn(PATHS, which) ? PATHS[which] : undefined;
  if (!['WQ', 'NQ'].includes(query) || read === undefined || rest.length > 0) {
    return `%PATH(${argument})%: write WQ or NQ, then optionally :ORIG, :PATH or :ORIG_OR_PATH`;
  }
  if (query === 'WQ') return read;
  return (stream) => {
    const path = read(stream);
    const end = path?.indexOf('?') ?? -1;
    return end < 0 ? path : path?.slice(0, end);
  };
}

const PATHS: Readonly<Record<string, Reader>> = {
  ORIG: ({ request }) => request.originalPath,
  PATH: ({ request }) => request.path || undefined,
  ORIG_OR_PATH: ({ request }) => request.originalPath ?? (request.path || undefined),
};
