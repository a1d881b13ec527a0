/** VirtualService `corsPolicy`: answers preflights and marks answers to allowed origins, as Envoy's CORS filter does. */

import type { StringMatchConfig } from '../../config/runtime/string-match.ts';
import { createStringMatch, type StringPredicate } from '../../proxy/base/string-match.ts';
import type { LocalReply } from '../../proxy/stream/local-reply.ts';
import type { HeaderList } from '../../proxy/stream/header-list.ts';
import type { Stream } from '../../proxy/stream/stream.ts';
import type { FilterFactory } from '../filter.ts';

export interface CorsPolicy {
  /** Any one of them must take the Origin header. */
  readonly allowOrigins: readonly StringMatchConfig[];
  /** Header values as they are sent; absent = the header is left out. */
  readonly allowMethods?: string;
  readonly allowHeaders?: string;
  readonly exposeHeaders?: string;
  /** Seconds, as text. */
  readonly maxAge?: string;
  readonly allowCredentials?: boolean;
  /** Preflights from other origins: FORWARD sends them upstream, IGNORE answers them without CORS headers. */
  readonly unmatchedPreflights: 'FORWARD' | 'IGNORE';
}

export const createCors: FilterFactory<CorsPolicy> = (policy) => {
  if (policy.allowOrigins.length === 0) return undefined;
  const origins = policy.allowOrigins.map((origin) => createStringMatch(origin));
  const preflight = preflightHeaders(policy);
  const actual = actualHeaders(policy);
  return {
    name: 'cors',
    onRequest({ request }) {
      const origin = request.headers.get('origin');
      if (origin === undefined || !isPreflight(request.method, request.headers)) return undefined;
      if (accepts(origins, origin)) return reply(['access-control-allow-origin', origin, ...preflight]);
      return policy.unmatchedPreflights === 'IGNORE' ? reply([]) : undefined;
    },
    onResponse(stream) {
      const origin = stream.request.headers.get('origin');
      if (origin !== undefined && accepts(origins, origin)) mark(stream, origin, actual);
    },
  };
};

function isPreflight(method: string, headers: HeaderList): boolean {
  return method === 'OPTIONS' && headers.has('access-control-request-method');
}

function accepts(origins: readonly StringPredicate[], origin: string): boolean {
  for (let i = 0; i < origins.length; i++) if ((origins[i] as StringPredicate)(origin)) return true;
  return false;
}

function reply(headers: readonly string[]): LocalReply {
  return { status: 200, body: '', headers, flags: 0, details: 'cors_response' };
}

function mark({ response }: Stream, origin: string, headers: readonly string[]): void {
  if (response === undefined) return;
  response.headers.set('access-control-allow-origin', origin);
  for (let i = 0; i < headers.length; i += 2) response.headers.set(headers[i] as string, headers[i + 1] as string);
}

function preflightHeaders(policy: CorsPolicy): string[] {
  return [
    ...actualHeaders(policy),
    ...pair('access-control-allow-methods', policy.allowMethods),
    ...pair('access-control-allow-headers', policy.allowHeaders),
    ...pair('access-control-max-age', policy.maxAge),
  ];
}

function actualHeaders(policy: CorsPolicy): string[] {
  return [
    ...pair('access-control-allow-credentials', policy.allowCredentials === true ? 'true' : undefined),
    ...pair('access-control-expose-headers', policy.exposeHeaders),
  ];
}

function pair(name: string, value: string | undefined): string[] {
  return value === undefined || value === '' ? [] : [name, value];
}
