/** Label values of Istio's standard metrics (istio-api 14.1): from the configuration, and of peers whose certificate was verified. */

import type { WorkloadConfig } from '../../../config/runtime/endpoint.ts';
import type { Direction } from '../../../config/runtime/listener.ts';
import type { NodeConfig } from '../../../config/runtime/runtime-config.ts';
import type { ConnectionSecurity, PeerCertificate } from '../../stream/connection-security.ts';
import { renderResponseFlags } from '../../stream/response-flags.ts';
import type { UpstreamClusterView } from '../../stream/stream-info.ts';
import type { Stream } from '../../stream/stream.ts';

const END_LABEL_NAMES = [
  'reporter',
  'source_workload', 'source_canonical_service', 'source_canonical_revision', 'source_workload_namespace', 'source_principal',
  'source_app', 'source_version', 'source_cluster',
  'destination_workload', 'destination_workload_namespace', 'destination_principal', 'destination_app', 'destination_version',
  'destination_service', 'destination_canonical_service', 'destination_canonical_revision', 'destination_service_name',
  'destination_service_namespace', 'destination_cluster',
] as const;

/** Of requests, in Istio's order of emission. */
export const LABEL_NAMES = [...END_LABEL_NAMES, 'request_protocol', 'response_code', 'grpc_response_status', 'response_flags', 'connection_security_policy'] as const;
/** Of TCP connections. */
export const TCP_LABEL_NAMES = [...END_LABEL_NAMES, 'request_protocol', 'response_flags', 'connection_security_policy'] as const;

/** The two ends of a request or connection as labels name them. */
export interface Ends {
  readonly direction: Direction;
  readonly node: NodeConfig;
  readonly identities: Identities;
  /** Of an inbound client, as its sidecar describes it; undefined in plain text. */
  readonly client: WorkloadConfig | undefined;
  /** Of the chosen host; empty when none was chosen. */
  readonly workload: WorkloadConfig;
  readonly service: UpstreamClusterView['service'];
}

/** Mesh identities (`spiffe://…`) of both ends, where both showed a certificate and the other one's was verified. */
export interface Identities {
  readonly mutual: boolean;
  readonly own: string | undefined;
  readonly peer: string | undefined;
}

/** Without mutual TLS. */
const NO_IDENTITIES: Identities = { mutual: false, own: undefined, peer: undefined };
const identitiesOf: WeakMap<ConnectionSecurity, Identities> = new WeakMap();

/** Of the connection that the reporter's labels are about: the client's for a server, the one to the host for a client. */
export function identitiesOn({ direction, info }: Stream): Identities {
  const security = direction === 'inbound' ? info.downstreamSecurity : info.upstreamSecurity;
  if (security === undefined || !security.mutual) return NO_IDENTITIES;
  let identities = identitiesOf.get(security);
  if (identities === undefined) {
    identities = { mutual: true, own: meshIdentity(security.local), peer: meshIdentity(security.peer) };
    identitiesOf.set(security, identities);
  }
  return identities;
}

function meshIdentity(certificate: PeerCertificate | undefined): string | undefined {
  const [uri] = certificate?.uris ?? [];
  return uri?.startsWith('spiffe://') === true ? uri : undefined;
}

export interface Outcome {
  /** 0 to 599; 0 when nothing was answered. */
  readonly code: number;
  /** ResponseFlag bits. */
  readonly flags: number;
  readonly protocol: 'http' | 'grpc';
  /** gRPC status; -1 for none. */
  readonly grpcStatus: number;
}

const UNKNOWN = 'unknown';
const UNKNOWN_WORKLOAD: WorkloadConfig = {};

/** One value for each of LABEL_NAMES. */
export function istioLabelValues(ends: Ends, outcome: Outcome): readonly string[] {
  const status = outcome.grpcStatus < 0 ? '' : `${outcome.grpcStatus}`;
  return [...endLabelValues(ends), outcome.protocol, `${outcome.code}`, status, renderResponseFlags(outcome.flags), securityPolicy(ends)];
}

/** One value for each of TCP_LABEL_NAMES. */
export function tcpLabelValues(ends: Ends, flags: number): readonly string[] {
  return [...endLabelValues(ends), 'tcp', renderResponseFlags(flags), securityPolicy(ends)];
}

function endLabelValues({ direction, node, identities, client, workload, service }: Ends): readonly string[] {
  const inbound = direction === 'inbound';
  const own: WorkloadConfig = { namespace: node.namespace, ...node.workload };
  const source = inbound ? (client ?? UNKNOWN_WORKLOAD) : own;
  const destination = inbound ? own : workload;
  return [
    inbound ? 'destination' : 'source',
    value(source.name), value(source.canonicalService), revision(source), value(source.namespace), value(inbound ? identities.peer : identities.own),
    value(source.app), value(source.version), value(source.cluster),
    value(destination.name), value(destination.namespace), value(inbound ? identities.own : identities.peer), value(destination.app), value(destination.version),
    value(service.host), value(destination.canonicalService), revision(destination), value(service.name),
    value(service.namespace), value(destination.cluster),
  ];
}

/** What a client cannot know for sure it does not claim. */
function securityPolicy({ direction, identities }: Ends): string {
  if (direction !== 'inbound') return UNKNOWN;
  return identities.mutual ? 'mutual_tls' : 'none';
}

/**
 * The service that `destination_service*` name. Traffic that no service explains keeps Istio's fixed name; its host is
 * `unknown` where Istio's client reports the Host header, which would let a peer make any number of series.
 */
export function serviceOf(cluster: UpstreamClusterView | undefined, generatedRoute: string | undefined): UpstreamClusterView['service'] {
  const fixed = FIXED_CLUSTERS.find((name) => name === cluster?.name) ?? FIXED_BY_ROUTE[generatedRoute ?? ''];
  if (fixed !== undefined) return { host: '', name: fixed, namespace: '' };
  return cluster?.service ?? NO_SERVICE;
}

const NO_SERVICE: UpstreamClusterView['service'] = { host: '', name: '', namespace: '' };
const FIXED_CLUSTERS = ['PassthroughCluster', 'BlackHoleCluster', 'InboundPassthroughCluster'];
/** Generated routes for unknown hosts: `block_all` answers 502 without a cluster. */
const FIXED_BY_ROUTE: Readonly<Record<string, string>> = { block_all: 'BlackHoleCluster', allow_any: 'PassthroughCluster' };

function value(text: string | undefined): string {
  return text === undefined || text === '' ? UNKNOWN : text;
}

/** `latest` for a workload that is known but names no revision. */
function revision(workload: WorkloadConfig): string {
  if (workload.canonicalRevision !== undefined && workload.canonicalRevision !== '') return workload.canonicalRevision;
  return workload.canonicalService === undefined ? UNKNOWN : 'latest';
}
