/** Who the configuration is compiled for: the workload beside (or in) which this proxy runs, and where it binds. */

import type { Snapshot } from '../load/types.ts';
import type { NodeConfig } from '../runtime/runtime-config.ts';
import type { Labels } from './labels.ts';
import { sortedLabels } from './labels.ts';
import { workloadFacts } from './workload-facts.ts';

export interface NodeOptions extends NodeIdentity {
  readonly mode: 'sidecar' | 'gateway';
  /** DNS suffix of Kubernetes services, `cluster.local`. */
  readonly clusterDomain: string;
  readonly trustDomain: string;
  /** Namespace of mesh-wide resources, `istio-system`. */
  readonly rootNamespace: string;
  /** Address of the capture listeners. */
  readonly bindAddress: string;
  /** What is bound to `0.0.0.0` is bound to `::` as well. */
  readonly bothFamilies?: boolean;
  /** 0 picks a free port; `off` leaves the listener out. */
  readonly outboundPort: number | 'off';
  readonly inboundPort: number | 'off';
  /** A Gateway's or Sidecar's declared port to the port bound in its place. */
  readonly portMap: Readonly<Record<number, number>>;
  /** The workload has a certificate of its own (`--certs`): without one it can neither offer nor demand mutual TLS. */
  readonly hasIdentity?: boolean;
}

/** What a Pod or WorkloadEntry says about itself. */
export interface NodeIdentity {
  readonly namespace: string;
  readonly name: string;
  /** Where the local application listens; empty means 127.0.0.1. */
  readonly ip: string;
  readonly serviceAccount: string;
  readonly labels: Labels;
}

/**
 * Identity of the Pod, else the WorkloadEntry, of that name (`namespace/name`; a bare name is in `default`); a message
 * when the snapshot has neither. A Pod without an address takes the one that an EndpointSlice or Endpoints gives it.
 */
export function resolveNode(snapshot: Snapshot, { workload }: { readonly workload: string }): NodeIdentity | string {
  const [namespace, name] = splitName(workload);
  const isNamed = (resource: { readonly metadata: { readonly name: string; readonly namespace: string } }): boolean =>
    resource.metadata.name === name && resource.metadata.namespace === namespace;
  const pod = snapshot.pods.find(isNamed);
  if (pod !== undefined) {
    const ip = pod.spec.status.podIP ?? pod.spec.status.podIPs[0]?.ip ?? targetAddress(snapshot, namespace, name);
    return { namespace, name, ip, serviceAccount: pod.spec.spec.serviceAccountName ?? 'default', labels: sortedLabels(pod.metadata.labels) };
  }
  const entry = snapshot.workloadEntries.find(isNamed);
  if (entry === undefined) return missingWorkload(snapshot, namespace, name);
  const labels = sortedLabels({ ...entry.spec.labels, ...entry.metadata.labels });
  return { namespace, name, ip: entry.spec.address ?? '', serviceAccount: entry.spec.serviceAccount ?? 'default', labels };
}

/** The node as the data path and the admin dump see it. */
export function nodeConfig(node: NodeOptions, locality = ''): NodeConfig {
  const { mode, namespace, name, serviceAccount, clusterDomain, trustDomain, rootNamespace } = node;
  const labels = sortedLabels(node.labels);
  const workload = workloadFacts({ podName: name, namespace, serviceAccount, labels });
  return { mode, namespace, name, ip: nodeAddress(node), serviceAccount, labels, clusterDomain, trustDomain, rootNamespace, ...(locality !== '' && { locality }), workload };
}

/** Address of the local application. */
export function nodeAddress(node: NodeOptions): string {
  return node.ip === '' ? '127.0.0.1' : node.ip;
}

function splitName(workload: string): readonly [namespace: string, name: string] {
  const slash = workload.indexOf('/');
  return slash === -1 ? ['default', workload] : [workload.slice(0, slash), workload.slice(slash + 1)];
}

function targetAddress(snapshot: Snapshot, namespace: string, name: string): string {
  for (const { metadata, spec } of snapshot.endpointSlices) {
    if (metadata.namespace !== namespace) continue;
    const endpoint = spec.endpoints.find((candidate) => candidate.targetRef?.name === name);
    if (endpoint?.addresses[0] !== undefined) return endpoint.addresses[0];
  }
  for (const { metadata, spec } of snapshot.endpoints) {
    if (metadata.namespace !== namespace) continue;
    const addresses = spec.subsets.flatMap((subset) => [...subset.addresses, ...subset.notReadyAddresses]);
    const address = addresses.find((candidate) => candidate.targetRef?.name === name);
    if (address !== undefined) return address.ip;
  }
  return '';
}

function missingWorkload(snapshot: Snapshot, namespace: string, name: string): string {
  const known = [...snapshot.pods, ...snapshot.workloadEntries].map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
  const shown = known.slice(0, 10).join(', ');
  const hint = known.length === 0 ? 'it has no Pod or WorkloadEntry at all' : `it has ${shown}${known.length > 10 ? ' and more' : ''}`;
  return `no Pod or WorkloadEntry ${namespace}/${name} in the snapshot (${hint})`;
}
