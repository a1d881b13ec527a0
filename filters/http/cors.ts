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
  /** Header values as they are sent; absent or empty = the header is left out; `*` grants what the preflight asks for. */
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
  const granted = originHeaders(policy);
  // The origin is kept from the request on: header operations may remove it before it goes upstream.
  const allowed = new WeakMap<Stream, string>();
  return {
    name: 'cors',
    onRequest(stream) {
      const { request, route } = stream;
      const origin = joined(request.headers, 'origin');
      // Envoy leaves redirects and direct responses alone, preflights to them included.
      if (origin === '' || route?.action.kind !== 'forward') return undefined;
      const accepted = accepts(origins, origin);
      if (isPreflight(request.method, request.headers)) {
        if (accepted) return reply([...originLine(origin), ...preflightHeaders(policy, request.headers), ...granted]);
        return policy.unmatchedPreflights === 'IGNORE' ? reply([]) : undefined;
      }
      if (accepted) allowed.set(stream, origin);
      return undefined;
    },
    onResponse(stream) {
      const origin = allowed.get(stream);
      if (origin !== undefined && stream.response !== undefined) setAll(stream.response.headers, [...originLine(origin), ...granted]);
    },
  };
};

function isPreflight(method: string, headers: HeaderList): boolean {
  return method === 'OPTIONS' && joined(headers, 'access-control-request-method') !== '';
}

/** Envoy also tries the text `*`: a policy that takes it allows every origin, which is how `exact: "*"` means any. */
function accepts(origins: readonly StringPredicate[], origin: string): boolean {
  for (const takes of origins) if (takes(origin) || takes('*')) return true;
  return false;
}

function reply(headers: readonly string[]): LocalReply {
  return { status: 200, body: '', headers, flags: 0, details: 'cors_response', withoutRouteHeaders: true };
}

function originLine(origin: string): string[] {
  return ['access-control-allow-origin', origin];
}

/** On every answer to an allowed origin. */
function originHeaders(policy: CorsPolicy): string[] {
  return [
    ...line('access-control-allow-credentials', policy.allowCredentials === true ? 'true' : undefined),
    ...line('access-control-expose-headers', policy.exposeHeaders),
  ];
}

/** On answers to preflights only. */
function preflightHeaders(policy: CorsPolicy, asked: HeaderList): string[] {
  return [
    ...grant('access-control-allow-methods', policy.allowMethods, asked, 'access-control-request-method'),
    ...grant('access-control-allow-headers', policy.allowHeaders, asked, 'access-control-request-headers'),
    ...line('access-control-max-age', policy.maxAge),
  ];
}

function grant(name: string, value: string | undefined, asked: HeaderList, askedName: string): string[] {
  return value === '*' ? [name, joined(asked, askedName)] : line(name, value);
}

function line(name: string, value: string | undefined): string[] {
  return value === undefined || value === '' ? [] : [name, value];
}

/** All lines of one name as Envoy joins them; empty when there is none. Two Origin lines so match no single origin. */
function joined(headers: HeaderList, name: string): string {
  const first = headers.get(name);
  return first === undefined ? '' : headers.getAll(name).join(',');
}

function setAll(headers: HeaderList, lines: readonly string[]): void {
  for (let i = 0; i < lines.length; i += 2) headers.set(lines[i] as string, lines[i + 1] as string);
}
