/** VirtualService `rewrite`: changes the path and authority that go upstream, and keeps the old ones where Envoy does. */

import type { RewriteConfig } from '../../config/runtime/route.ts';
import { toByteString } from '../base/bytes.ts';
import { createReplaceAll } from '../base/re2.ts';
import type { RequestHead } from '../stream/stream.ts';
import { pathLengthOf, rooted } from './target.ts';

export type Rewrite = (request: RequestHead) => void;

/** Applied once a request, after the header operations (which still see the path as matched). */
export function createRewrite(config: RewriteConfig): Rewrite {
  const rewritePath = createPathRewrite(config);
  const authority = config.authority === undefined ? undefined : toByteString(config.authority);
  return (request) => {
    if (authority !== undefined) rewriteAuthority(request, authority);
    if (rewritePath === undefined) return;
    const original = request.path;
    request.path = rewritePath(original);
    request.originalPath = original;
    request.headers.set('x-envoy-original-path', original);
  };
}

/** Replaces Host/:authority and records the old one in `x-envoy-original-host` (Envoy 1.40). */
export function rewriteAuthority(request: RequestHead, authority: string): void {
  request.headers.set('x-envoy-original-host', request.authority);
  request.authority = authority;
}

/**
 * Target (path and query) → the one sent upstream; undefined when the path is left alone. A replacement that loses the
 * leading slash gets it back (Envoy sends `GET foo HTTP/1.1`, which is no request line: RFC 9112 section 3.2.1).
 */
function createPathRewrite({ uri, regex }: RewriteConfig): ((target: string) => string) | undefined {
  if (regex !== undefined) return createRegexRewrite(regex.match, regex.substitution);
  if (uri === undefined) return undefined;
  const to = toByteString(uri.to);
  if (uri.kind === 'path') return (target) => rooted(to + target.slice(pathLengthOf(target)));
  // The route matched this prefix, so its length is all that matters (ignoreUriCase included).
  const { length } = toByteString(uri.from);
  return (target) => rooted(to + target.slice(length));
}

function createRegexRewrite(match: string, substitution: string): (target: string) => string {
  const replaceAll = createReplaceAll(match, substitution);
  return (target) => {
    const pathLength = pathLengthOf(target);
    return rooted(replaceAll(target.slice(0, pathLength)) + target.slice(pathLength));
  };
}
