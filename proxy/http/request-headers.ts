/**
 * Header rules of an Istio sidecar and gateway on the way up (proxy-semantics A.11). Nobody is internal since Envoy 1.33:
 * control headers of the downstream are dropped, whoever it is.
 */

import type { HttpListenerConfig } from '../../config/runtime/listener.ts';
import { createRequestId } from '../base/request-id.ts';
import { Seen } from '../codec/http1/field-lines.ts';
import type { RequestHead } from '../stream/stream.ts';

/** Removed from every request; some of them are written anew by the router. */
const EDGE_CONTROL: ReadonlySet<string> = new Set([
  'x-envoy-internal', 'x-envoy-retry-on', 'x-envoy-retry-grpc-on', 'x-envoy-max-retries', 'x-envoy-retriable-status-codes',
  'x-envoy-retriable-header-names', 'x-envoy-upstream-rq-timeout-ms', 'x-envoy-upstream-rq-per-try-timeout-ms',
  'x-envoy-upstream-rq-timeout-alt-response', 'x-envoy-hedge-on-per-try-timeout', 'x-envoy-expected-rq-timeout-ms',
  'x-envoy-attempt-count', 'x-envoy-is-timeout-retry', 'x-envoy-force-trace', 'x-envoy-ip-tags', 'x-forwarded-client-cert',
  'x-envoy-original-path', 'x-envoy-original-host',
]);

/** Also removed at a gateway: facts that only the edge itself may state. */
const GATEWAY_ONLY: readonly string[] = ['x-envoy-external-address', 'x-envoy-decorator-operation', 'x-envoy-peer-metadata', 'x-envoy-peer-metadata-id'];

export interface DownstreamPeer {
  readonly remoteIp: string;
  readonly isSecure: boolean;
}

/** Applies the rules; sets `request.scheme`. */
export function applyRequestHeaders(request: RequestHead, seen: number, peer: DownstreamPeer, listener: HttpListenerConfig): void {
  const { headers } = request;
  if ((seen & Seen.EdgeControl) !== 0) removeEdgeControl(headers.items);
  if (listener.useRemoteAddress) applyEdge(request, peer, listener);
  else if ((seen & Seen.XForwardedProto) === 0) headers.add('x-forwarded-proto', request.scheme === '' ? transport(peer) : request.scheme);
  if ((seen & Seen.XRequestId) === 0 || listener.useRemoteAddress) headers.set('x-request-id', createRequestId());
  request.scheme = effectiveScheme(request, seen, peer, listener);
}

function transport(peer: DownstreamPeer): string {
  return peer.isSecure ? 'https' : 'http';
}

/** `:scheme`: x-forwarded-proto where it is trusted and sensible, else the transport's. */
function effectiveScheme(request: RequestHead, seen: number, peer: DownstreamPeer, listener: HttpListenerConfig): string {
  if (!listener.useRemoteAddress && (seen & Seen.XForwardedProto) === 0) return request.scheme === '' ? transport(peer) : request.scheme;
  const forwarded = request.headers.get('x-forwarded-proto');
  return forwarded === 'http' || forwarded === 'https' ? forwarded : transport(peer);
}

function applyEdge(request: RequestHead, peer: DownstreamPeer, listener: HttpListenerConfig): void {
  const { headers } = request;
  for (const name of GATEWAY_ONLY) headers.remove(name);
  const before = headers.getAll('x-forwarded-for').join(',');
  headers.set('x-forwarded-for', before === '' ? peer.remoteIp : `${before},${peer.remoteIp}`);
  const proto = listener.numTrustedProxies > 0 ? headers.get('x-forwarded-proto') : undefined;
  headers.set('x-forwarded-proto', proto ?? transport(peer));
  headers.set('x-envoy-external-address', trustedClient(before, peer.remoteIp, listener.numTrustedProxies));
}

/** The address `numTrustedProxies` hops from the right of x-forwarded-for; the peer where there are not so many. */
function trustedClient(forwardedFor: string, peer: string, numTrustedProxies: number): string {
  if (numTrustedProxies === 0) return peer;
  const hops = forwardedFor.split(',').map((hop) => hop.trim());
  return hops[hops.length - numTrustedProxies] || peer;
}

function removeEdgeControl(items: string[]): void {
  let kept = 0;
  for (let i = 0; i < items.length; i += 2) {
    const name = items[i] as string;
    if (EDGE_CONTROL.has(name)) continue;
    items[kept] = name;
    items[kept + 1] = items[i + 1] as string;
    kept += 2;
  }
  items.length = kept;
}
