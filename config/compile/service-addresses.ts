/** Addresses that EndpointSlices and Endpoints write down for a Kubernetes Service, joined with who runs at each. */

import type { Resource, Snapshot } from '../load/types.ts';
import type { EndpointAddress, EndpointPort, EndpointSliceBody, EndpointsBody, ObjectReference, SliceEndpoint } from '../resources/endpoint-slice.ts';
import type { Labels } from './labels.ts';
import type { MeshService } from './mesh-service.ts';
import type { WorkloadDetails, Workloads } from './workloads.ts';
import { labelDetails, podDetails } from './workloads.ts';

export interface ServiceAddress {
  readonly address: string;
  readonly ports: readonly NamedPort[];
  /** Kubernetes node. */
  readonly nodeName: string | undefined;
  /** Pod that the entry names, if it names one. */
  readonly podName: string | undefined;
  readonly details: WorkloadDetails;
}

/** `number` is absent where a slice leaves the port open. */
export interface NamedPort {
  readonly name: string;
  readonly number: number | undefined;
}

export interface ServiceAddresses {
  /** Addresses that may get traffic; undefined when the snapshot has neither slices nor Endpoints for the Service. */
  of(service: MeshService): readonly ServiceAddress[] | undefined;
}

const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';

/** Slices win over Endpoints of the same Service: Kubernetes mirrors one into the other. */
export function indexServiceAddresses(snapshot: Snapshot, workloads: Workloads): ServiceAddresses {
  const slices = groupSlices(snapshot.endpointSlices);
  const endpoints = new Map(snapshot.endpoints.map((resource) => [keyOf(resource.metadata), resource]));
  return {
    of: (service) => {
      const key = keyOf(service);
      const spec = service.declared.kind === 'Service' ? service.declared.spec : undefined;
      const asked: AskedService = { includeUnready: spec?.publishNotReadyAddresses === true, selector: spec?.selector, workloads };
      const ofSlices = slices.get(key)?.flatMap((slice) => sliceAddresses(slice, asked));
      if (ofSlices !== undefined) return ofSlices;
      const legacy = endpoints.get(key);
      return legacy === undefined ? undefined : endpointsAddresses(legacy, asked);
    },
  };
}

function groupSlices(slices: readonly Resource<EndpointSliceBody>[]): ReadonlyMap<string, readonly Resource<EndpointSliceBody>[]> {
  const groups = new Map<string, Resource<EndpointSliceBody>[]>();
  for (const slice of slices) {
    const name = slice.metadata.labels[SERVICE_NAME_LABEL];
    // Istio has no use for names in place of addresses here; ServiceEntries are for that.
    if (name === undefined || slice.spec.addressType === 'FQDN') continue;
    const key = keyOf({ namespace: slice.metadata.namespace, name });
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [slice]);
    else group.push(slice);
  }
  return groups;
}

/** The Service whose addresses are asked for. */
interface AskedService {
  /** `publishNotReadyAddresses` */
  readonly includeUnready: boolean;
  readonly selector: Labels | undefined;
  readonly workloads: Workloads;
}

function sliceAddresses({ metadata, spec }: Resource<EndpointSliceBody>, asked: AskedService): readonly ServiceAddress[] {
  const ports = tcpPorts(spec.ports);
  const labels = ownLabels(metadata.labels);
  return spec.endpoints.filter((endpoint) => isServing(endpoint, asked.includeUnready)).flatMap((endpoint) => {
    // The addresses of one entry all lead to the same place, so the first stands for it.
    const address = endpoint.addresses[0];
    if (address === undefined) return [];
    const { targetRef, nodeName, zone } = endpoint;
    const details = whoRunsAt(address, targetRef, { namespace: metadata.namespace, labels, nodeName, zone }, asked);
    return [{ address, ports, nodeName, podName: targetRef?.name, details }];
  });
}

/** An absent `ready` is ready; terminating endpoints are left out (istio-api.md section 7). */
function isServing({ conditions }: SliceEndpoint, includeUnready: boolean): boolean {
  if (conditions?.terminating === true) return false;
  return conditions?.ready !== false || includeUnready;
}

function endpointsAddresses({ metadata, spec }: Resource<EndpointsBody>, asked: AskedService): readonly ServiceAddress[] {
  const labels = ownLabels(metadata.labels);
  return spec.subsets.flatMap((subset) => {
    const ports = tcpPorts(subset.ports);
    const addresses: readonly EndpointAddress[] = asked.includeUnready ? [...subset.addresses, ...subset.notReadyAddresses] : subset.addresses;
    return addresses.map(({ ip, targetRef, nodeName }) => {
      const details = whoRunsAt(ip, targetRef, { namespace: metadata.namespace, labels, nodeName, zone: undefined }, asked);
      return { address: ip, ports, nodeName, podName: targetRef?.name, details };
    });
  });
}

/** What the slice says of an address besides the Pod it names. */
interface WrittenPlace {
  readonly namespace: string;
  readonly labels: Labels;
  readonly nodeName: string | undefined;
  readonly zone: string | undefined;
}

/**
 * The Pod that the entry names, else the only Pod at the address that the Service selects, else what the slice's own
 * labels say: so that a snapshot of test services on one machine, where everybody has one address, can do without Pods.
 */
function whoRunsAt(address: string, targetRef: ObjectReference | undefined, slice: WrittenPlace, { selector, workloads }: AskedService): WorkloadDetails {
  const named = targetRef?.name === undefined || (targetRef.kind ?? 'Pod') !== 'Pod' ? undefined : workloads.pod(targetRef.namespace ?? slice.namespace, targetRef.name);
  const pod = named ?? workloads.podAt(address, slice.namespace, selector);
  if (pod !== undefined) return podDetails(pod, workloads.localityOf(pod, slice.zone));
  return labelDetails(slice.labels, slice.namespace, workloads.nodeLocality(slice.nodeName, slice.zone));
}

function tcpPorts(ports: readonly EndpointPort[]): readonly NamedPort[] {
  return ports.filter((port) => (port.protocol ?? 'TCP') === 'TCP').map(({ name, port }) => ({ name: name ?? '', number: port }));
}

/** Without Kubernetes' own book-keeping (`kubernetes.io/service-name`, `endpointslice.kubernetes.io/managed-by` …). */
function ownLabels(labels: Labels): Labels {
  return Object.fromEntries(Object.entries(labels).filter(([key]) => !/(?:^|\.)kubernetes\.io\//.test(key) || key.startsWith('app.kubernetes.io/')));
}

function keyOf({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `${namespace}/${name}`;
}
