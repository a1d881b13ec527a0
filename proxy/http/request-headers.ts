/**
 * Header rules of an Istio sidecar and gateway on the way up (proxy-semantics A.11). Nobody is internal since Envoy 1.33:
 * control headers of the downstream are dropped, whoever it is. Who it is, x-forwarded-client-cert says only where the
 * downstream showed a certificate.
 */

import { isIP } from 'node:net';
import type { HttpListenerConfig } from '../../config/runtime/listener.ts';
import { createRequestId } from '../base/request-id.ts';
import { Seen } from '../codec/http1/field-lines.ts';
import type { ConnectionFacts } from '../stream/connection-facts.ts';
import type { RequestHead } from '../stream/stream.ts';
import { writeClientCert } from './client-cert.ts';

/** Removed from every request; some of them are written anew by the router. */
const EDGE_CONTROL: ReadonlySet<string> = new Set([
  'x-envoy-internal', 'x-envoy-retry-on', 'x-envoy-retry-grpc-on', 'x-envoy-max-retries', 'x-envoy-retriable-status-codes',
  'x-envoy-retriable-header-names', 'x-envoy-upstream-rq-timeout-ms', 'x-envoy-upstream-rq-per-try-timeout-ms',
  'x-envoy-upstream-rq-timeout-alt-response', 'x-envoy-hedge-on-per-try-timeout', 'x-envoy-expected-rq-timeout-ms',
  'x-envoy-attempt-count', 'x-envoy-is-timeout-retry', 'x-envoy-force-trace', 'x-envoy-ip-tags', 'x-forwarded-client-cert',
  'x-envoy-original-path', 'x-envoy-original-host', 'x-envoy-peer-metadata', 'x-envoy-peer-metadata-id',
]);

/** Also removed at a gateway: facts that only the edge itself may state. */
const GATEWAY_ONLY: readonly string[] = ['x-envoy-external-address', 'x-envoy-decorator-operation'];

export interface DownstreamPeer {
  readonly remoteIp: string;
  readonly isSecure: boolean;
  /** Absent or undefined: nothing is known of the connection but its address; it is plain text. */
  readonly facts?: ConnectionFacts | undefined;
}

/** Applies the rules; sets `request.scheme`. Returns the client's address where x-forwarded-for is believed and names one. */
export function applyRequestHeaders(request: RequestHead, seen: number, peer: DownstreamPeer, listener: HttpListenerConfig): string | undefined {
  const { headers } = request;
  const security = peer.facts?.security;
  if (security?.peer !== undefined) {
    const received = (seen & Seen.EdgeControl) === 0 ? [] : headers.getAll('x-forwarded-client-cert');
    removeEdgeControl(headers.items);
    writeClientCert(headers, security, received, listener);
  } else if ((seen & Seen.EdgeControl) !== 0) removeEdgeControl(headers.items);
  const forwardedFor = (seen & Seen.XForwardedFor) === 0 ? '' : headers.getAll('x-forwarded-for').join(',');
  const client = forwardedFor === '' ? undefined : forwardedClient(forwardedFor, listener);
  if (listener.useRemoteAddress) applyEdge(request, { peer, forwardedFor, client }, listener);
  else if ((seen & Seen.XForwardedProto) === 0) headers.add('x-forwarded-proto', request.scheme === '' ? transport(peer) : request.scheme);
  if ((seen & Seen.XRequestId) === 0 || listener.useRemoteAddress) headers.set('x-request-id', createRequestId());
  request.scheme = effectiveScheme(request, seen, peer, listener);
  return client;
}

/**
 * A gateway believes as many hops as it is told, counted from the right; a sidecar the last one, since whoever sends to it
 * is trusted (Envoy without use_remote_address). Only a plain IP address is one.
 */
function forwardedClient(forwardedFor: string, { useRemoteAddress, numTrustedProxies }: HttpListenerConfig): string | undefined {
  const hop = useRemoteAddress ? numTrustedProxies : 1;
  if (hop === 0) return undefined;
  const hops = forwardedFor.split(',');
  const address = hops[hops.length - hop]?.trim() ?? '';
  return isIP(address) === 0 ? undefined : address;
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

interface Origin {
  readonly peer: DownstreamPeer;
  /** As received, empty without any. */
  readonly forwardedFor: string;
  readonly client: string | undefined;
}

function applyEdge(request: RequestHead, { peer, forwardedFor, client }: Origin, listener: HttpListenerConfig): void {
  const { headers } = request;
  for (const name of GATEWAY_ONLY) headers.remove(name);
  const hop = isLoopback(peer.remoteIp) ? (listener.localAddress ?? peer.remoteIp) : peer.remoteIp;
  headers.set('x-forwarded-for', forwardedFor === '' ? hop : `${forwardedFor},${hop}`);
  const proto = listener.numTrustedProxies > 0 ? headers.get('x-forwarded-proto') : undefined;
  headers.set('x-forwarded-proto', proto ?? transport(peer));
  headers.set('x-envoy-external-address', client ?? (peer.remoteIp || hop));
}

/** Of this machine; empty: on a unix socket. */
function isLoopback(address: string): boolean {
  return address === '' || address.startsWith('127.') || address === '::1';
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
