/** Label values of Istio's standard metrics (istio-api 14.1). None of them is taken from a request. */

import type { WorkloadConfig } from '../../../config/runtime/endpoint.ts';
import type { Direction } from '../../../config/runtime/listener.ts';
import type { NodeConfig } from '../../../config/runtime/runtime-config.ts';
import { renderResponseFlags } from '../../stream/response-flags.ts';
import type { UpstreamClusterView } from '../../stream/stream-info.ts';

/** In Istio's order of emission. */
export const LABEL_NAMES = [
  'reporter',
  'source_workload', 'source_canonical_service', 'source_canonical_revision', 'source_workload_namespace', 'source_principal',
  'source_app', 'source_version', 'source_cluster',
  'destination_workload', 'destination_workload_namespace', 'destination_principal', 'destination_app', 'destination_version',
  'destination_service', 'destination_canonical_service', 'destination_canonical_revision', 'destination_service_name',
  'destination_service_namespace', 'destination_cluster',
  'request_protocol', 'response_code', 'grpc_response_status', 'response_flags', 'connection_security_policy',
] as const;

/** The two ends of a request as labels name them. */
export interface Ends {
  readonly direction: Direction;
  readonly node: NodeConfig;
  /** Of the chosen host; empty when none was chosen. */
  readonly workload: WorkloadConfig;
  readonly service: UpstreamClusterView['service'];
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
  const inbound = ends.direction === 'inbound';
  const own: WorkloadConfig = { namespace: ends.node.namespace, ...ends.node.workload };
  // The peer of an inbound request is known by its certificate and metadata headers only, which plain text has not.
  const source = inbound ? UNKNOWN_WORKLOAD : own;
  const destination = inbound ? own : ends.workload;
  const { service } = ends;
  return [
    inbound ? 'destination' : 'source',
    value(source.name), value(source.canonicalService), revision(source), value(source.namespace), UNKNOWN,
    value(source.app), value(source.version), value(source.cluster),
    value(destination.name), value(destination.namespace), UNKNOWN, value(destination.app), value(destination.version),
    value(service.host), value(destination.canonicalService), revision(destination), value(service.name),
    value(service.namespace), value(destination.cluster),
    outcome.protocol, `${outcome.code}`, outcome.grpcStatus < 0 ? '' : `${outcome.grpcStatus}`, renderResponseFlags(outcome.flags),
    inbound ? 'none' : UNKNOWN,
  ];
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
