/** Addresses behind a service port: EndpointSlices, Endpoints, Pods, ServiceEntry endpoints, WorkloadEntries. */

import { isIP } from 'node:net';
import { isUnixAddress } from '../../proxy/base/unix-address.ts';
import type { Resource, Snapshot } from '../load/types.ts';
import type { ServiceEntrySpec } from '../resources/service-entry.ts';
import type { WorkloadEntrySpec } from '../resources/workload-entry.ts';
import type { EndpointConfig, WorkloadConfig } from '../runtime/endpoint.ts';
import type { Labels } from './labels.ts';
import { isEmpty } from './labels.ts';
import type { Locality } from './locality.ts';
import { completed, parseLocality, topologyLabel } from './locality.ts';
import { spiffeIdentity } from './mesh-tls.ts';
import type { MeshPort, MeshService } from './mesh-service.ts';
import type { PeerAuthentications, PeerWorkload } from './peer-authentication.ts';
import type { ServiceAddress, ServiceAddresses } from './service-addresses.ts';
import { indexServiceAddresses } from './service-addresses.ts';
import type { WorkloadDetails, Workloads } from './workloads.ts';
import { entryDetails, isReady, namedPort, podAddresses, podDetails, writtenEndpointDetails } from './workloads.ts';

/** An endpoint with the labels that subsets choose by. */
export interface LabelledEndpoint {
  readonly labels: Labels;
  readonly endpoint: EndpointConfig;
  /** Kubernetes node; undefined where unknown. */
  readonly nodeName?: string | undefined;
  readonly network?: string | undefined;
}

export interface EndpointSource {
  readonly workloads: Workloads;
  readonly addresses: ServiceAddresses;
  /** Kubernetes node this proxy runs on, for `internalTrafficPolicy: Local`; undefined where unknown. */
  readonly nodeName: string | undefined;
  readonly mode: 'sidecar' | 'gateway';
  /** Identity that the workload's certificate is expected to have; undefined where its service account is unknown. */
  identityOf(workload: WorkloadConfig): string | undefined;
  /** False where the workload's own PeerAuthentication takes no mutual TLS on the port. */
  takesMutualTls(workload: PeerWorkload, port: number): boolean;
}

export interface EndpointClient extends Pick<EndpointSource, 'nodeName' | 'mode'> {
  readonly trustDomain: string;
  readonly peerAuthentications: PeerAuthentications;
}

export function endpointSource(snapshot: Snapshot, workloads: Workloads, { nodeName, mode, trustDomain, peerAuthentications }: EndpointClient): EndpointSource {
  const known = new Map<string, string>();
  return {
    workloads,
    addresses: indexServiceAddresses(snapshot, workloads),
    nodeName,
    mode,
    takesMutualTls: (workload, port) => !peerAuthentications.hasSelectors(workload.namespace) || peerAuthentications.modeOf(workload, port).mode !== 'DISABLE',
    identityOf: ({ namespace, serviceAccount }) => {
      if (namespace === undefined || serviceAccount === undefined) return undefined;
      const key = `${namespace}/${serviceAccount}`;
      let identity = known.get(key);
      if (identity === undefined) known.set(key, (identity = spiffeIdentity(trustDomain, namespace, serviceAccount)));
      return identity;
    },
  };
}

/** Every endpoint that may get traffic, in a stable order; an address may be there twice, with different labels. */
export function endpointsOf(service: MeshService, port: MeshPort, source: EndpointSource): readonly LabelledEndpoint[] {
  return service.declared.kind === 'Service' ? serviceEndpoints(service, port, source) : entryEndpoints(service, port, source);
}

/** Once for each address and port, the first one: what a cluster holds, after its subset has chosen by labels. */
export function distinctEndpoints(endpoints: readonly LabelledEndpoint[]): readonly LabelledEndpoint[] {
  const unique = new Map<string, LabelledEndpoint>();
  for (const candidate of endpoints) {
    const key = `${candidate.endpoint.address} ${candidate.endpoint.port}`;
    if (!unique.has(key)) unique.set(key, candidate);
  }
  return [...unique.values()];
}

/** A label as Istio has it for an endpoint: topology labels are known of all whose place is known. Empty where there is none. */
export function endpointLabel({ labels, endpoint, nodeName, network }: LabelledEndpoint, key: string, own: Locality): string {
  return topologyLabel(key, { locality: completed(parseLocality(endpoint.locality), own), nodeName, network }) ?? labels[key] ?? '';
}

function serviceEndpoints(service: MeshService, port: MeshPort, source: EndpointSource): readonly LabelledEndpoint[] {
  if (service.declared.kind !== 'Service') return [];
  const { selector, internalTrafficPolicy } = service.declared.spec;
  const written = source.addresses.of(service);
  const hasSelector = selector !== undefined && !isEmpty(selector);
  const fromWritten = written?.flatMap((address) => writtenAddress(address, port, source)) ?? [];
  const fromPods = written === undefined && hasSelector ? selectedPods(service.namespace, selector, port, source) : [];
  const fromEntries = hasSelector ? selectedEntries(service.namespace, selector, port, source) : [];
  const local = internalTrafficPolicy === 'Local' && source.nodeName !== undefined;
  const candidates = [...fromWritten, ...fromPods];
  const reachable = local ? candidates.filter((candidate) => candidate.nodeName === source.nodeName) : candidates;
  return [...reachable, ...fromEntries];
}

/** Ports join by name; an EndpointSlice port without a number stands for whatever the Service asks for. */
function writtenAddress({ address, ports, nodeName, details }: ServiceAddress, port: MeshPort, source: EndpointSource): readonly LabelledEndpoint[] {
  const joined = ports.find((candidate) => candidate.name === port.name);
  if (joined === undefined) return [];
  const number = joined.number ?? (typeof port.target === 'number' ? port.target : port.number);
  return [{ ...createEndpoint({ address, port: number }, details, source), nodeName }];
}

function selectedPods(namespace: string, selector: Labels, port: MeshPort, source: EndpointSource): readonly LabelledEndpoint[] {
  const { workloads } = source;
  return workloads.selectPods(namespace, selector).flatMap((pod) => {
    const target = typeof port.target === 'number' ? port.target : namedPort(pod, port.target);
    const address = podAddresses(pod)[0];
    if (target === undefined || address === undefined || !isReady(pod)) return [];
    return [{ ...createEndpoint({ address, port: target }, podDetails(pod, workloads.localityOf(pod)), source), nodeName: pod.spec.spec.nodeName }];
  });
}

/** WorkloadEntries behind a Kubernetes Service or ServiceEntry. */
function selectedEntries(namespace: string, selector: Labels, port: MeshPort, source: EndpointSource, names = false): readonly LabelledEndpoint[] {
  return source.workloads.selectEntries(namespace, selector).flatMap((entry) => {
    const address = entry.spec.address;
    if (address === undefined || !canReach(address, names)) return [];
    return [createEndpoint({ address, port: entryPort(entry.spec, port), weight: entry.spec.weight ?? 1 }, entryDetails(entry), source)];
  });
}

function entryEndpoints(service: MeshService, port: MeshPort, source: EndpointSource): readonly LabelledEndpoint[] {
  // A sidecar forwards to the address the application dialled; a gateway has none and uses what endpoints there are.
  if (service.declared.kind !== 'ServiceEntry' || service.resolution === 'DYNAMIC_DNS' || (service.resolution === 'NONE' && source.mode === 'sidecar')) return [];
  return service.declared.entries.flatMap((entry) => endpointsOfEntry(service, entry, port, source));
}

function endpointsOfEntry(service: MeshService, entry: Resource<ServiceEntrySpec>, port: MeshPort, source: EndpointSource): readonly LabelledEndpoint[] {
  const declared = entry.spec.ports?.find((candidate) => candidate.number === port.number);
  if (declared === undefined) return [];
  const target: MeshPort = { ...port, name: declared.name, target: declared.targetPort ?? declared.number };
  const names = service.resolution === 'DNS' || service.resolution === 'DNS_ROUND_ROBIN';
  const selector = entry.spec.workloadSelector?.labels;
  const { namespace } = entry.metadata;
  if (selector !== undefined && !isEmpty(selector)) {
    return [...selectedEntries(namespace, selector, target, source, names), ...podsOfEntry(namespace, selector, target, source)];
  }
  const written = (entry.spec.endpoints ?? []).filter(({ address }) => address !== undefined && canReach(address, names));
  if (written.length === 0 && names) return [createEndpoint({ address: service.host, port: entryPort({}, target) }, writtenEndpointDetails({}, {}, namespace), source)];
  return written.map((spec) => createEndpoint({ address: spec.address as string, port: entryPort(spec, target), weight: spec.weight ?? 1 }, writtenEndpointDetails(spec, spec.labels ?? {}, namespace), source));
}

function podsOfEntry(namespace: string, selector: Labels, port: MeshPort, source: EndpointSource): readonly LabelledEndpoint[] {
  const { workloads } = source;
  return workloads.selectPods(namespace, selector).flatMap((pod) => {
    const address = podAddresses(pod)[0];
    if (address === undefined || !isReady(pod)) return [];
    return [createEndpoint({ address, port: typeof port.target === 'number' ? port.target : port.number }, podDetails(pod, workloads.localityOf(pod)), source)];
  });
}

/** The entry's own port of that name, else the service's targetPort, else its number. */
function entryPort(spec: WorkloadEntrySpec, port: MeshPort): number {
  return spec.ports?.[port.name] ?? (typeof port.target === 'number' ? port.target : port.number);
}

/** A name in place of an address needs DNS, and a unix socket must not be looked up. */
function canReach(address: string, names: boolean): boolean {
  return isIP(address) !== 0 || isUnixAddress(address) !== names;
}

interface ReachedAt {
  readonly address: string;
  readonly port: number;
  readonly weight?: number;
}

function createEndpoint({ address, port, weight = 1 }: ReachedAt, { labels, facts, network }: WorkloadDetails, source: EndpointSource): LabelledEndpoint {
  const { locality, workload } = facts;
  const identity = source.identityOf(workload);
  const reached = isUnixAddress(address) ? 0 : port;
  const meshed = facts.tlsMode === 'istio' && source.takesMutualTls({ namespace: workload.namespace ?? '', labels }, port);
  const endpoint: EndpointConfig = { address, port: reached, weight: Math.max(1, weight), locality, workload, tlsMode: meshed ? 'istio' : 'disabled', ...(identity !== undefined && { identity }) };
  return { labels, ...(network !== undefined && { network }), endpoint };
}
