/** Pods and WorkloadEntries, found by name, by address and by labels: whose address an endpoint is. */

import type { Resource, Snapshot } from '../load/types.ts';
import type { PodBody } from '../resources/pod.ts';
import type { WorkloadEntrySpec } from '../resources/workload-entry.ts';
import type { EndpointConfig } from '../runtime/endpoint.ts';
import type { Labels } from './labels.ts';
import { isEmpty, LabelIndex } from './labels.ts';
import { labelledLocality, topologyLocality } from './locality.ts';
import { workloadFacts } from './workload-facts.ts';

/** What an endpoint's address does not say: who runs there. */
export interface WorkloadDetails {
  readonly labels: Labels;
  readonly facts: Pick<EndpointConfig, 'locality' | 'workload' | 'tlsMode'>;
  /** Of a WorkloadEntry. */
  readonly network?: string;
}

export interface Workloads {
  pod(namespace: string, name: string): Resource<PodBody> | undefined;
  /** The Pod of the namespace with these labels (without any: of all Pods) at this address, if there is exactly one. */
  podAt(address: string, namespace: string, selector: Labels | undefined): Resource<PodBody> | undefined;
  /** Pods of the namespace with these labels (not empty). */
  selectPods(namespace: string, selector: Labels): readonly Resource<PodBody>[];
  entry(namespace: string, name: string): Resource<WorkloadEntrySpec> | undefined;
  /** Of the Pod's own labels, else of its Node's, else the zone alone; empty where nothing is known. */
  localityOf(pod: Resource<PodBody>, zone?: string): string;
  /** By the labels of the Node of that name, else the zone alone. */
  nodeLocality(nodeName: string | undefined, zone?: string): string;
  selectEntries(namespace: string, selector: Labels): readonly Resource<WorkloadEntrySpec>[];
}

/** Each index is made when it is first asked: a mesh whose EndpointSlices name their Pods needs neither labels nor addresses. */
export function indexWorkloads(snapshot: Snapshot): Workloads {
  const byName = once(() => new Map(snapshot.pods.map((pod) => [`${pod.metadata.namespace}/${pod.metadata.name}`, pod])));
  const byAddress = once(() => indexByAddress(snapshot.pods));
  const pods = once(() => new LabelIndex(snapshot.pods, (pod) => pod.metadata.namespace, (pod) => pod.metadata.labels));
  const entries = once(() => new LabelIndex(snapshot.workloadEntries, (entry) => entry.metadata.namespace, entryLabels));
  const nodes = once(() => new Map(snapshot.nodes.map((node) => [node.metadata.name, topologyLocality(node.metadata.labels)])));
  const nodeLocality = (nodeName: string | undefined, zone = ''): string => {
    const locality = nodeName === undefined ? '' : (nodes().get(nodeName) ?? '');
    return locality === '' && zone !== '' ? `/${zone}` : locality;
  };
  return {
    nodeLocality,
    localityOf: (pod, zone) => labelledLocality(pod.metadata.labels) || nodeLocality(pod.spec.spec.nodeName, zone),
    entry: (namespace, name) => snapshot.workloadEntries.find(({ metadata }) => metadata.name === name && metadata.namespace === namespace),
    pod: (namespace, name) => byName().get(`${namespace}/${name}`),
    podAt: (address, namespace, selector) => {
      if (selector === undefined || isEmpty(selector)) return byAddress().get(address) ?? undefined;
      const [pod, ...others] = pods().select(namespace, selector).filter((candidate) => podAddresses(candidate).includes(address));
      return others.length === 0 ? pod : undefined;
    },
    selectPods: (namespace, selector) => pods().select(namespace, selector),
    selectEntries: (namespace, selector) => entries().select(namespace, selector),
  };
}

/** Addresses of a Pod, both families. */
export function podAddresses({ spec: { status } }: Resource<PodBody>): readonly string[] {
  return [...new Set([...(status.podIP === undefined ? [] : [status.podIP]), ...status.podIPs.map(({ ip }) => ip)])];
}

/** Not finished and, where it says so, ready; a hand-written Pod without status counts as ready. */
export function isReady({ spec: { status } }: Resource<PodBody>): boolean {
  if (status.phase === 'Succeeded' || status.phase === 'Failed' || status.phase === 'Pending') return false;
  const ready = status.conditions?.find(({ type }) => type === 'Ready');
  return ready === undefined || ready.status === 'True';
}

/** Number of a container port by its name. */
export function namedPort({ spec: { spec } }: Resource<PodBody>, name: string): number | undefined {
  for (const container of spec.containers) {
    const port = container.ports.find((candidate) => candidate.name === name);
    if (port !== undefined) return port.containerPort;
  }
  return undefined;
}

/** Labels of the spec, overlaid by those of the metadata (istio-api.md 5.2). */
export function entryLabels({ metadata, spec }: Resource<WorkloadEntrySpec>): Labels {
  return { ...spec.labels, ...metadata.labels };
}

/** A Pod that a reload did not change is the same object, so what is said about it stays said. */
const knownPods = new WeakMap<Resource<PodBody>, { readonly locality: string; readonly details: WorkloadDetails }>();

export function podDetails(pod: Resource<PodBody>, locality: string): WorkloadDetails {
  const known = knownPods.get(pod);
  if (known?.locality === locality) return known.details;
  const { labels, namespace, name } = pod.metadata;
  const serviceAccount = pod.spec.spec.serviceAccountName ?? 'default';
  const details = describeWorkload(labels, locality, { podName: name, namespace, serviceAccount });
  knownPods.set(pod, { locality, details });
  return details;
}

export function entryDetails(entry: Resource<WorkloadEntrySpec>): WorkloadDetails {
  return writtenEndpointDetails(entry.spec, entryLabels(entry), entry.metadata.namespace, entry.metadata.name);
}

/** `endpoints[]` of a ServiceEntry and WorkloadEntries: a service account alone means that it has a sidecar (istio-api.md 5.2). */
export function writtenEndpointDetails(spec: WorkloadEntrySpec, labels: Labels, namespace: string, name?: string): WorkloadDetails {
  const { serviceAccount, network = '' } = spec;
  const locality = (spec.locality ?? '') || labelledLocality(labels);
  const reached = network === '' ? {} : { network };
  // A mere address says nothing about who is there.
  if (name === undefined && serviceAccount === undefined && Object.keys(labels).length === 0) return { ...reached, labels, facts: { locality, workload: {}, tlsMode: 'disabled' } };
  const identity = { namespace, ...(name !== undefined && { podName: name }), ...(serviceAccount !== undefined && { serviceAccount }) };
  const details = { ...reached, ...describeWorkload(labels, locality, identity) };
  const meshed = serviceAccount !== undefined && !(TLS_MODE_LABEL in labels);
  return meshed ? { ...details, facts: { ...details.facts, tlsMode: 'istio' } } : details;
}

/** For an address with no Pod: only labels, as far as there are any. */
export function labelDetails(labels: Labels, namespace: string, placed: string): WorkloadDetails {
  const known = Object.keys(labels).length > 0;
  const facts = { locality: labelledLocality(labels) || placed, workload: known ? workloadFacts({ namespace, labels }) : {}, tlsMode: tlsMode(labels) };
  return { labels, facts };
}

const TLS_MODE_LABEL = 'security.istio.io/tlsMode';

function describeWorkload(labels: Labels, locality: string, identity: { readonly podName?: string; readonly namespace: string; readonly serviceAccount?: string }): WorkloadDetails {
  return { labels, facts: { locality, workload: workloadFacts({ ...identity, labels }), tlsMode: tlsMode(labels) } };
}

function tlsMode(labels: Labels): EndpointConfig['tlsMode'] {
  return labels[TLS_MODE_LABEL] === 'istio' ? 'istio' : 'disabled';
}

/** `null` marks an address that several Pods share (host network, or test services on one machine). */
function indexByAddress(pods: readonly Resource<PodBody>[]): ReadonlyMap<string, Resource<PodBody> | null> {
  const index = new Map<string, Resource<PodBody> | null>();
  for (const pod of pods) {
    for (const address of podAddresses(pod)) index.set(address, index.has(address) ? null : pod);
  }
  return index;
}

function once<T>(create: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: create() }).value;
}
