/**
 * Header names as interned lower-case strings: a name seen before costs a hash and a comparison, no allocation. Well-known
 * names also carry a kind, so that the head parser acts on them by switch and not by comparing strings.
 */

import { LOWER_TOKEN } from './characters.ts';

/** Names the codec or the header rules treat specially; 0 is every other name. */
export const HeaderKind = {
  Other: 0,
  Host: 1,
  Connection: 2,
  ContentLength: 3,
  TransferEncoding: 4,
  Upgrade: 5,
  Te: 6,
  KeepAlive: 7,
  Expect: 8,
  XForwardedProto: 9,
  XForwardedFor: 10,
  XRequestId: 11,
  Date: 12,
  Server: 13,
  /** Removed from every request: nobody is internal in an Istio mesh (Envoy since 1.33). */
  EdgeControl: 14,
  /** Removed from responses and rewritten: x-envoy-upstream-service-time. */
  UpstreamServiceTime: 15,
  Http2Settings: 16,
  ProxyConnection: 17,
} as const;

export interface HeaderName {
  readonly name: string;
  readonly kind: number;
}

const KINDS: readonly (readonly [name: string, kind: number])[] = [
  ['host', HeaderKind.Host],
  ['connection', HeaderKind.Connection],
  ['content-length', HeaderKind.ContentLength],
  ['transfer-encoding', HeaderKind.TransferEncoding],
  ['upgrade', HeaderKind.Upgrade],
  ['te', HeaderKind.Te],
  ['keep-alive', HeaderKind.KeepAlive],
  ['proxy-connection', HeaderKind.ProxyConnection],
  ['expect', HeaderKind.Expect],
  ['x-forwarded-proto', HeaderKind.XForwardedProto],
  ['x-forwarded-for', HeaderKind.XForwardedFor],
  ['x-request-id', HeaderKind.XRequestId],
  ['date', HeaderKind.Date],
  ['server', HeaderKind.Server],
  ['http2-settings', HeaderKind.Http2Settings],
  ['x-envoy-upstream-service-time', HeaderKind.UpstreamServiceTime],
  ['x-envoy-internal', HeaderKind.EdgeControl],
  ['x-envoy-retry-on', HeaderKind.EdgeControl],
  ['x-envoy-retry-grpc-on', HeaderKind.EdgeControl],
  ['x-envoy-max-retries', HeaderKind.EdgeControl],
  ['x-envoy-retriable-status-codes', HeaderKind.EdgeControl],
  ['x-envoy-retriable-header-names', HeaderKind.EdgeControl],
  ['x-envoy-upstream-rq-timeout-ms', HeaderKind.EdgeControl],
  ['x-envoy-upstream-rq-per-try-timeout-ms', HeaderKind.EdgeControl],
  ['x-envoy-upstream-rq-timeout-alt-response', HeaderKind.EdgeControl],
  ['x-envoy-hedge-on-per-try-timeout', HeaderKind.EdgeControl],
  ['x-envoy-expected-rq-timeout-ms', HeaderKind.EdgeControl],
  ['x-envoy-attempt-count', HeaderKind.EdgeControl],
  ['x-envoy-is-timeout-retry', HeaderKind.EdgeControl],
  ['x-envoy-force-trace', HeaderKind.EdgeControl],
  ['x-envoy-ip-tags', HeaderKind.EdgeControl],
  ['x-forwarded-client-cert', HeaderKind.EdgeControl],
  ['x-envoy-original-path', HeaderKind.EdgeControl],
  ['x-envoy-original-host', HeaderKind.EdgeControl],
  ['x-envoy-peer-metadata', HeaderKind.EdgeControl],
  ['x-envoy-peer-metadata-id', HeaderKind.EdgeControl],
];

const BUCKETS = 1024;
/** Names learned from traffic stop here, so that a flood of random names cannot push the known ones out. */
const LEARNED_LIMIT = 512;

interface Entry extends HeaderName {
  /** The name's bytes, for comparing without making a string. */
  readonly bytes: Uint8Array;
}

const known: (Entry | undefined)[] = new Array<Entry | undefined>(BUCKETS).fill(undefined);
const learned: (Entry | undefined)[] = new Array<Entry | undefined>(BUCKETS).fill(undefined);
let learnedCount = 0;

for (const [name, kind] of KINDS) {
  const bytes = Buffer.from(name, 'latin1');
  let hash = 0;
  for (const byte of bytes) hash = addToNameHash(hash, byte);
  const bucket = bucketOf(hash);
  if (known[bucket] !== undefined) throw new Error(`header name table: ${name} collides with ${known[bucket].name}`);
  known[bucket] = { name, kind, bytes };
}

/** Running hash of a lower-case name; begins with 0. */
export function addToNameHash(hash: number, lowerByte: number): number {
  return (Math.imul(hash, 33) + lowerByte) | 0;
}

/** The interned name for the token in `bytes[start, end)`, whose lower-case bytes hash to `hash`; case is ignored. */
export function internHeaderName(bytes: Uint8Array, start: number, end: number, hash: number): HeaderName {
  const bucket = bucketOf(hash);
  const first = known[bucket];
  if (first !== undefined && isSame(first.bytes, bytes, start, end)) return first;
  const second = learned[bucket];
  if (second !== undefined && isSame(second.bytes, bytes, start, end)) return second;
  const lower = Uint8Array.from(bytes.subarray(start, end), (byte) => LOWER_TOKEN[byte] as number);
  const fresh: Entry = { name: Buffer.from(lower).toString('latin1'), kind: HeaderKind.Other, bytes: lower };
  if (second === undefined && learnedCount < LEARNED_LIMIT) {
    learned[bucket] = fresh;
    learnedCount++;
  }
  return fresh;
}

function bucketOf(hash: number): number {
  return (hash ^ (hash >>> 10) ^ (hash >>> 20)) & (BUCKETS - 1);
}

function isSame(name: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  const length = end - start;
  if (name.length !== length) return false;
  for (let i = 0; i < length; i++) if (name[i] !== LOWER_TOKEN[bytes[start + i] as number]) return false;
  return true;
}
