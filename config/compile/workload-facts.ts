/** A workload's name, application and version as Istio's standard metrics print them (istio-api.md 14.1). */

import type { WorkloadConfig } from '../runtime/endpoint.ts';
import type { Labels } from './labels.ts';

export interface WorkloadIdentity {
  /** Name of the Pod or WorkloadEntry; absent when only labels are known. */
  readonly podName?: string;
  readonly namespace: string;
  readonly serviceAccount?: string;
  readonly labels: Labels;
}

export function workloadFacts({ podName, namespace, serviceAccount, labels }: WorkloadIdentity): WorkloadConfig {
  const app = labels['app'];
  const version = labels['version'];
  const name = labels['service.istio.io/workload-name'] ?? (podName === undefined ? undefined : ownerName(podName, labels));
  const canonicalService = labels['service.istio.io/canonical-name'] ?? labels['app.kubernetes.io/name'] ?? app ?? name;
  const canonicalRevision = labels['service.istio.io/canonical-revision'] ?? labels['app.kubernetes.io/version'] ?? version ?? 'latest';
  return {
    ...(name !== undefined && { name }),
    namespace,
    ...(canonicalService !== undefined && { canonicalService }),
    canonicalRevision,
    ...(app !== undefined && { app }),
    ...(version !== undefined && { version }),
    ...(serviceAccount !== undefined && { serviceAccount }),
  };
}

/**
 * The Deployment or StatefulSet a Pod's name was made from: `reviews-v1-545db77b95-2kb4p` with its template hash in a
 * label is `reviews-v1`. A Pod that names no owner this way is its own workload.
 */
function ownerName(podName: string, labels: Labels): string {
  const hash = labels['pod-template-hash'];
  if (hash !== undefined) {
    const end = podName.lastIndexOf(`-${hash}-`);
    if (end > 0) return podName.slice(0, end);
  }
  const numbered = 'apps.kubernetes.io/pod-index' in labels || 'statefulset.kubernetes.io/pod-name' in labels;
  return numbered ? podName.replace(/-\d+$/, '') : podName;
}
