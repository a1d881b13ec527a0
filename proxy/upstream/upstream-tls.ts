/** Which connections of a cluster are secured, and with what: DestinationRule `tls` and auto mTLS (istio-api.md 3.8, 8.3). */

import type { EndpointConfig } from '../../config/runtime/endpoint.ts';
import type { ClientTlsConfig } from '../../config/runtime/tls.ts';
import type { ClientTls, ClientTlsRequest } from '../identity/client-tls.ts';
import type { TlsCounters } from '../identity/tls-events.ts';

/** What a connect needs to secure the connection before anything is sent. */
export interface UpstreamTls {
  readonly context: ClientTls;
  readonly request: ClientTlsRequest;
  readonly counters: TlsCounters;
}

/** Istio's ALPN names for HTTP/1.1 between sidecars, the plain one for everybody else. */
const MESH_HTTP1: readonly string[] = ['istio-http/1.1', 'istio', 'http/1.1'];
const HTTP1: readonly string[] = ['http/1.1'];
/** Between sidecars, for connections that are not HTTP. */
const MESH_TCP: readonly string[] = ['istio-peer-exchange', 'istio'];
const NONE: readonly string[] = [];

export type UpstreamProtocol = 'http/1.1' | 'tcp';

/** Undefined: connections to `endpoint` are in plain text. */
export function tlsTo(endpoint: EndpointConfig, context: ClientTls | undefined, counters: TlsCounters, request: { readonly host?: string | undefined; readonly protocol: UpstreamProtocol }): UpstreamTls | undefined {
  if (context === undefined || !isSecured(endpoint, context.config)) return undefined;
  return { context, counters, request: { host: request.host, alpn: alpnOf(context.config, request.protocol) } };
}

/** The certificate that is expected, or the name that is sent, is another for each host that requests name. */
export function dependsOnHost({ mode, sni, checkHost }: ClientTlsConfig): boolean {
  return (mode === 'SIMPLE' || mode === 'MUTUAL') && (sni === undefined || checkHost === true);
}

/** Auto mTLS without a certificate of our own, or to an endpoint without a sidecar, is plain text. */
function isSecured({ tlsMode }: EndpointConfig, { mode, identity }: ClientTlsConfig): boolean {
  if (mode === 'AUTO') return tlsMode === 'istio' && identity !== undefined;
  return mode !== 'DISABLE';
}

function alpnOf({ mode }: ClientTlsConfig, protocol: UpstreamProtocol): readonly string[] {
  const mesh = mode === 'AUTO' || mode === 'ISTIO_MUTUAL';
  if (protocol === 'tcp') return mesh ? MESH_TCP : NONE;
  return mesh ? MESH_HTTP1 : HTTP1;
}
