/** The request that `explain` is asked about: method, URL and header lines as the data path would have them after parsing. */

import { isIP } from 'node:net';
import { authorityHost } from '../../base/authority.ts';
import { Seen } from '../../codec/http1/field-lines.ts';
import { HeaderList } from '../../stream/header-list.ts';
import type { RequestHead } from '../../stream/stream.ts';

export interface AskedRequest {
  readonly head: RequestHead;
  /** Header facts as the codec notes them. */
  readonly seen: number;
  /** Port that the URL itself names or its scheme means: where the downstream connects to, when that is a gateway. */
  readonly connectPort: number;
  readonly portWritten: boolean;
  /** Of the URL, lower case, without brackets. */
  readonly host: string;
  /** What a client of an https URL asks for by TLS; undefined for an address. */
  readonly serverName: string | undefined;
}

/**
 * As in `GET http://reviews:9080/reviews/0`; the scheme may be left out, `http` is meant; `tcp://host:5432` asks about a
 * connection alone. A message where it cannot be understood.
 */
export function parseAskedRequest(method: string, url: string, headerLines: readonly string[]): AskedRequest | string {
  if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(method)) return `'${method}' is not a method`;
  const parts = /^(?:(https?|tcp):\/\/)?([^/?#\s]*)((?:[/?#].*)?)$/i.exec(url);
  if (parts === null) return `'${url}' is not a URL`;
  const [, scheme = 'http', urlAuthority = '', rest = ''] = parts;
  const headers = parseHeaders(headerLines);
  if (typeof headers === 'string') return headers;
  const authority = (headers.get('host') ?? urlAuthority).toLowerCase();
  headers.remove('host');
  if (authority === '') return `'${url}' names no host, and there is no Host header`;
  const port = portOf(urlAuthority);
  if (port === undefined) return `'${urlAuthority}' has no valid port`;
  const head: RequestHead = {
    method,
    path: rest.startsWith('/') ? rest : `/${rest}`,
    originalPath: undefined,
    authority,
    scheme: scheme.toLowerCase(),
    headers,
  };
  if (head.scheme === 'tcp' && port === null) return `'${url}' needs a port`;
  const name = authorityHost(urlAuthority.toLowerCase());
  return { head, seen: seenIn(headers), connectPort: port ?? (head.scheme === 'https' ? 443 : 80), portWritten: port !== null, host: name, serverName: name === '' || isIP(name) !== 0 ? undefined : name };
}

function parseHeaders(lines: readonly string[]): HeaderList | string {
  const headers = new HeaderList();
  for (const line of lines) {
    const [, name, value] = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\0\r\n]*?)[ \t]*$/.exec(line) ?? [];
    if (name === undefined || value === undefined) return `-H '${line}' is not 'name: value'`;
    headers.add(name.toLowerCase(), Buffer.from(value, 'utf8').toString('latin1'));
  }
  return headers;
}

/** Control headers are looked for in any case, which changes nothing where there are none. */
function seenIn(headers: HeaderList): number {
  return Seen.EdgeControl | (headers.has('x-forwarded-proto') ? Seen.XForwardedProto : 0) | (headers.has('x-request-id') ? Seen.XRequestId : 0);
}

/** null where none is written, undefined where it is no port. */
function portOf(authority: string): number | null | undefined {
  const written = /:(\d*)$/.exec(authority)?.[1];
  if (written === undefined) return null;
  const port = Number(written);
  return written !== '' && port >= 1 && port <= 65_535 ? port : undefined;
}
