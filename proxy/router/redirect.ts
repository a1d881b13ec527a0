/** VirtualService `redirect` and Gateway `httpsRedirect`: where the Location header points. */

import type { RedirectAction } from '../../config/runtime/route.ts';
import { toByteString } from '../base/bytes.ts';
import type { LocalReply } from '../stream/local-reply.ts';
import type { RequestHead } from '../stream/stream.ts';
import { pathLengthOf, rooted } from './target.ts';

/**
 * Absolute URL of the Location header. `listenerPort` is the port that `derivePort: FROM_REQUEST_PORT` writes.
 * The request's host keeps its port, unless the redirect names a port or changes the scheme away from the one whose
 * default port it is (Envoy: RouteEntryImplBase::newUri). The query is kept unless the new path has its own.
 */
export function redirectLocation(action: RedirectAction, request: RequestHead, listenerPort: number): string {
  const scheme = action.scheme ?? request.scheme;
  const port = action.port === 'request' ? listenerPort : action.port;
  const host = action.authority === undefined ? keptHost(request, scheme, port !== undefined) : toByteString(action.authority);
  const written = port === undefined || isDefaultPort(scheme, port) ? '' : `:${port}`;
  return `${scheme}://${host}${written}${redirectPath(action, request.path)}`;
}

/** Gateway `tls.httpsRedirect`: same host, port and path, other scheme. */
export function httpsRedirectLocation(request: RequestHead): string {
  return `https://${request.authority}${request.path}`;
}

/** The answer that carries `location`: no body, details `direct_response` (Envoy). */
export function redirectReply(status: number, location: string): LocalReply {
  return { status, body: '', headers: ['location', location], flags: 0, details: 'direct_response' };
}

function redirectPath({ uri }: RedirectAction, target: string): string {
  if (uri === undefined) return target;
  const to = toByteString(uri.to);
  if (uri.kind === 'prefix') return rooted(to + target.slice(toByteString(uri.from).length));
  return rooted(to.includes('?') ? to : to + target.slice(pathLengthOf(target)));
}

function keptHost(request: RequestHead, scheme: string, portNamed: boolean): string {
  const { authority } = request;
  const colon = portStart(authority);
  if (colon === -1) return authority;
  if (portNamed) return authority.slice(0, colon);
  const arrivedBy = request.headers.get('x-forwarded-proto') ?? request.scheme;
  const stale = scheme !== arrivedBy && isDefaultPort(arrivedBy, Number(authority.slice(colon + 1)));
  return stale ? authority.slice(0, colon) : authority;
}

/** Index of the colon before the port, or -1; the colons of an IPv6 literal are inside its brackets. */
function portStart(authority: string): number {
  const colon = authority.lastIndexOf(':');
  return colon > authority.lastIndexOf(']') ? colon : -1;
}

function isDefaultPort(scheme: string, port: number): boolean {
  return (scheme === 'http' && port === 80) || (scheme === 'https' && port === 443);
}
