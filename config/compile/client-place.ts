/** Where this proxy itself is: what nearness of endpoints is measured from (istio-api.md 3.5). */

import type { Snapshot } from '../load/types.ts';
import { labelledLocality, NETWORK_LABEL, parseLocality, topologyLabel } from './locality.ts';
import type { NodeOptions } from './node.ts';
import type { ClientPlace } from './placed-endpoints.ts';
import { writtenEndpointDetails, type Workloads } from './workloads.ts';

/**
 * By the workload's own labels (`istio-locality`, else `topology.kubernetes.io/region` and `/zone` with
 * `topology.istio.io/subzone`), its WorkloadEntry, the Node of its Pod, and last the zone that an EndpointSlice gives its
 * address. Empty where none of them knows.
 */
export function clientPlace(snapshot: Snapshot, workloads: Workloads, node: NodeOptions): ClientPlace {
  const pod = workloads.pod(node.namespace, node.name);
  const entry = pod === undefined ? workloads.entry(node.namespace, node.name) : undefined;
  const ofEntry = entry && writtenEndpointDetails(entry.spec, node.labels, node.namespace);
  const nodeName = pod?.spec.spec.nodeName;
  const text = ofEntry?.facts.locality || labelledLocality(node.labels) || workloads.nodeLocality(nodeName) || sliceLocality(snapshot, workloads, node);
  const place = { locality: parseLocality(text), nodeName, network: node.labels[NETWORK_LABEL] ?? ofEntry?.network };
  return { ...place, label: (key) => topologyLabel(key, place) ?? node.labels[key] ?? '' };
}

/** By name; an address that several workloads share (on one machine, in tests) says nothing. */
function sliceLocality({ endpointSlices }: Snapshot, workloads: Workloads, { namespace, name, ip }: NodeOptions): string {
  const shared = ip === '' || ip === '::1' || ip.startsWith('127.');
  for (const { metadata, spec } of endpointSlices) {
    if (metadata.namespace !== namespace) continue;
    for (const { targetRef, addresses, nodeName, zone } of spec.endpoints) {
      const isOwn = targetRef?.name === undefined ? !shared && addresses.includes(ip) : targetRef.name === name;
      const locality = isOwn ? workloads.nodeLocality(nodeName, zone) : '';
      if (locality !== '') return locality;
    }
  }
  return '';
}
