/** Bootstraps of Envoy as Istio programs it where there is TLS or no HTTP: an HTTPS gateway, the two sidecars of a mutual TLS hop, a TCP listener. */

import { clientAccount, serverAccount, spiffeIdentity, type Certificate, type Certificates } from '../certificates.ts';
import { benchHost, benchPort } from '../config.ts';
import type { PeerPlan } from '../types.ts';
import { bootstrapOf, connectionManager, connectionManagerType, socketAddress, typed, type EnvoyShape } from './envoy-config.ts';
import { policyClusters } from './envoy-policies.ts';

type Json = Readonly<Record<string, unknown>>;

/** TLS down, plain HTTP/1 up. */
export function gatewayBootstrap(plan: PeerPlan, { gateway }: Certificates, shape: EnvoyShape): string {
  const manager = { ...connectionManager(plan, shape), stat_prefix: 'gateway', use_remote_address: true, forward_client_cert_details: 'SANITIZE_SET' };
  const tls = { common_tls_context: { ...identity(gateway), ...versions, alpn_protocols: ['h2', 'http/1.1'] }, require_client_certificate: false };
  return bootstrapOf(listener(plan.listenPort, 'OUTBOUND', { filters: [typed(...connectionManagerType, manager)], transport_socket: downstreamTls(tls) }), policyClusters('plain', [plan.upstreamPort]));
}

/** The first sidecar: plain HTTP/1 down, mutual TLS to `upstreamPort`, the workload's identity verified. */
export function outboundHopBootstrap(plan: PeerPlan, upstreamPort: number, { client, root }: Certificates, shape: EnvoyShape): string {
  const tls = {
    common_tls_context: {
      ...identity(client),
      ...versions,
      // What Istio's ALPN filter, which the stock binary lacks, makes of an HTTP/1.1 request.
      alpn_protocols: ['istio-http/1.1', 'istio', 'http/1.1'],
      validation_context: trusting(root, { exact: spiffeIdentity(serverAccount) }),
    },
    sni: `outbound_.${benchPort}_._.${benchHost}`,
  };
  const transport_socket = typed('envoy.transport_sockets.tls', 'transport_sockets.tls.v3.UpstreamTlsContext', tls);
  const clusters = policyClusters('plain', [upstreamPort]).map((cluster) => ({ ...cluster, transport_socket }));
  return bootstrapOf(listener(plan.listenPort, 'OUTBOUND', { filters: [typed(...connectionManagerType, connectionManager(plan, { ...shape, headers: introducing('request', 'response') }))] }), clusters);
}

/** The second: mutual TLS down, only for identities of the trust domain, plain HTTP/1 to the application. */
export function inboundHopBootstrap(plan: PeerPlan, listenPort: number, { server, root }: Certificates, shape: EnvoyShape): string {
  const cluster = `inbound|${benchPort}||`;
  const manager = {
    ...connectionManager(plan, shape),
    stat_prefix: 'inbound',
    server_name: 'istio-envoy',
    forward_client_cert_details: 'APPEND_FORWARD',
    set_current_client_cert_details: { subject: true, dns: true, uri: true },
    route_config: { name: cluster, validate_clusters: false, virtual_hosts: [{ name: 'inbound|http|0', domains: ['*'], routes: [inboundRoute(cluster)] }], ...introducing('response', 'request') },
  };
  const tls = {
    common_tls_context: {
      ...identity(server),
      ...versions,
      alpn_protocols: ['h2', 'http/1.1'],
      validation_context: trusting(root, { prefix: spiffeIdentity(clientAccount).replace(/ns\/.*$/, '') }),
    },
    require_client_certificate: true,
  };
  const chain = { filter_chain_match: { transport_protocol: 'tls' }, filters: [typed(...connectionManagerType, manager)], transport_socket: downstreamTls(tls) };
  const listener_filters = [typed('envoy.filters.listener.tls_inspector', 'filters.listener.tls_inspector.v3.TlsInspector', {})];
  const [upstream] = policyClusters('plain', [plan.upstreamPort]);
  return bootstrapOf({ ...listener(listenPort, 'INBOUND', chain), listener_filters }, [{ ...upstream, name: cluster }]);
}

/** Bytes to one host. */
export function tcpBootstrap(plan: PeerPlan): string {
  const clusters = policyClusters('plain', [plan.upstreamPort]);
  const proxy = { stat_prefix: 'tcp', cluster: clusters[0]?.['name'] };
  return bootstrapOf(listener(plan.listenPort, 'OUTBOUND', { filters: [typed('envoy.filters.network.tcp_proxy', 'filters.network.tcp_proxy.v3.TcpProxy', proxy)] }), clusters);
}

const versions = { tls_params: { tls_minimum_protocol_version: 'TLSv1_2', tls_maximum_protocol_version: 'TLSv1_3' } };

/**
 * Istio's sidecars tell each other which workload they are, by a filter that the stock binary lacks: headers of the same names and about
 * the same length stand in for it, added to what is sent to the other sidecar and removed from what comes from there.
 */
function introducing(added: 'request' | 'response', removed: 'request' | 'response'): Json {
  const values = { 'x-envoy-peer-metadata-id': 'sidecar~127.0.0.1~bench.default~default.svc.cluster.local', 'x-envoy-peer-metadata': Buffer.alloc(metadataBytes, 'x').toString('base64') };
  const headers = Object.entries(values).map(([key, value]) => ({ header: { key, value }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' }));
  return { [`${added}_headers_to_add`]: headers, [`${removed}_headers_to_remove`]: Object.keys(values) };
}

/** Before base64. */
const metadataBytes = 210;

function listener(port: number, traffic_direction: string, chain: Json): Json {
  return { name: 'bench', traffic_direction, address: socketAddress(port), filter_chains: [chain] };
}

function inboundRoute(cluster: string): Json {
  return { name: 'default', match: { prefix: '/' }, decorator: { operation: `${benchHost}:${benchPort}/*` }, route: { cluster, timeout: '0s', max_grpc_timeout: '0s' } };
}

function downstreamTls(context: Json): Json {
  return typed('envoy.transport_sockets.tls', 'transport_sockets.tls.v3.DownstreamTlsContext', context);
}

function identity({ chain, key }: Certificate): Json {
  return { tls_certificates: [{ certificate_chain: { filename: chain }, private_key: { filename: key } }] };
}

/** The chain, and the URI among the peer's names. */
function trusting(root: string, matcher: Json): Json {
  return { trusted_ca: { filename: root }, match_typed_subject_alt_names: [{ san_type: 'URI', matcher }] };
}
