/** What of a request decides its host where the balancer hashes (DestinationRule `consistentHash`; Envoy: hash_policy). */

import type { HashPolicyConfig } from '../../config/runtime/route.ts';
import { Uint64 } from '../base/uint64.ts';
import { xxHash64 } from '../base/xxhash64.ts';
import type { HeaderList } from '../stream/header-list.ts';
import type { Stream } from '../stream/stream.ts';
import { firstQueryValue, pathLengthOf } from './target.ts';

export interface HashKey {
  /** Undefined where the request has nothing to go by: then any host will do. Several texts are hashed in turn. */
  readonly value: string | readonly string[] | undefined;
  /** A cookie to give with the answer, so that the next request comes with it. */
  readonly setCookie?: string;
}

/** `downstreamIp`: address of the connection, without port. */
export type ReadHashKey = (stream: Stream, downstreamIp: string) => HashKey;

const NOTHING: HashKey = { value: undefined };

/** Reads the request as the downstream sent it: before rewrites and header operations. */
export function createHashKey(policy: HashPolicyConfig): ReadHashKey {
  switch (policy.kind) {
    case 'header':
      return headerKey(policy.name);
    case 'query':
      return ({ request: { path } }) => ({ value: firstQueryValue(path, pathLengthOf(path), policy.name) });
    case 'source-ip':
      return ({ info }, downstreamIp) => ({ value: info.forwardedAddress ?? downstreamIp });
    case 'cookie':
      return cookieKey(policy);
    default:
      return unreachable(policy);
  }
}

/** Headers of which Envoy makes one line of several as it reads them; the outcome is its own answer for some hundred names. */
const JOINED: ReadonlySet<string> = new Set([
  'accept', 'accept-encoding', 'access-control-request-headers', 'access-control-request-method', 'access-control-request-private-network', 'authorization',
  'cache-control', 'content-encoding', 'content-type', 'grpc-accept-encoding', 'grpc-timeout', 'if-match', 'if-modified-since', 'if-none-match', 'if-range',
  'if-unmodified-since', 'origin', 'pragma', 'proxy-status', 'referer', 'user-agent', 'via', 'x-client-trace-id', 'x-envoy-decorator-operation',
  'x-envoy-downstream-service-cluster', 'x-envoy-downstream-service-node', 'x-envoy-external-address', 'x-envoy-original-path', 'x-forwarded-for',
  'x-forwarded-host', 'x-forwarded-port', 'x-forwarded-proto', 'x-request-id',
]);

/** Several lines of other names count as a set, in whatever order they came (Envoy). */
function headerKey(name: string): ReadHashKey {
  const joined = JOINED.has(name);
  return ({ request: { headers } }) => {
    const first = headers.get(name);
    if (first === undefined) return NOTHING;
    const all = headers.getAll(name);
    if (all.length === 1) return { value: first };
    return { value: joined ? all.join(',') : all.sort() };
  };
}

function cookieKey(policy: Extract<HashPolicyConfig, { kind: 'cookie' }>): ReadHashKey {
  return ({ request, info }) => {
    const value = cookieValue(request.headers, policy.name);
    if (value !== undefined && value !== '') return { value };
    if (policy.ttlMs === undefined) return NOTHING;
    const made = cookieFor(info.downstreamDirectRemoteAddress, info.downstreamLocalAddress);
    return { value: made, setCookie: renderCookie(policy, made) };
  };
}

/** The same for every request of one connection, as in Envoy: requests that overlap before the first answer stay together. */
function cookieFor(remote: string, local: string): string {
  const { hi, lo } = xxHash64(remote + local, new Uint64());
  return hexOf(hi) + hexOf(lo);
}

function hexOf(half: number): string {
  return (half >>> 0).toString(16).padStart(8, '0');
}

/** First cookie of that name in any Cookie line, without the quotes around it. */
function cookieValue(headers: HeaderList, name: string): string | undefined {
  for (const line of headers.getAll('cookie')) {
    for (const pair of line.split(';')) {
      const equals = pair.indexOf('=');
      if (equals < 0 || pair.slice(0, equals).trim() !== name) continue;
      const value = pair.slice(equals + 1).trim();
      return value.length >= 2 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
    }
  }
  return undefined;
}

/** Envoy's form: name, Max-Age (not for a session cookie), Path, further attributes, and always HttpOnly. */
function renderCookie({ name, path = '', ttlMs = 0, attributes }: Extract<HashPolicyConfig, { kind: 'cookie' }>, value: string): string {
  const parts = [`${name}="${value}"`];
  if (ttlMs > 0) parts.push(`Max-Age=${Math.floor(ttlMs / 1000)}`);
  if (path !== '') parts.push(`Path=${path}`);
  for (const [key, text] of attributes) parts.push(text === '' ? key : `${key}=${text}`);
  return [...parts, 'HttpOnly'].join('; ');
}

function unreachable(policy: never): never {
  throw new TypeError(`unknown hash policy ${JSON.stringify(policy)}`);
}
