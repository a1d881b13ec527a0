/** Whether a pod gets a sidecar: Istio's rules, in Istio's order. */

import { isCustomisation } from './customise.ts';
import type { JsonMap } from './json.ts';
import { mapAt, mapsAt, textAt } from './json.ts';
import { PROXY_CONTAINER, STATUS_ANNOTATION } from './policy-names.ts';
import type { PodTemplate } from './workload.ts';

const INJECT = 'sidecar.istio.io/inject';

/** Namespaces of Kubernetes itself. */
const SYSTEM_NAMESPACES: ReadonlySet<string> = new Set(['kube-system', 'kube-public', 'kube-node-lease', 'local-path-storage']);

/** YAML 1.1's words for true, as Istio takes them, in any case. */
const YES: ReadonlySet<string> = new Set(['y', 'yes', 'true', 'on']);

/** Why a pod is left as it is; undefined where it gets a sidecar. */
export function reasonToSkip({ metadata, spec, namespace }: PodTemplate): string | undefined {
  if (isInjected(metadata, spec)) return 'has a sidecar already, left as it is';
  if (spec['hostNetwork'] === true) return 'uses hostNetwork, where redirected traffic would be the whole node\'s; not injected';
  if (SYSTEM_NAMESPACES.has(namespace)) return `namespace ${namespace} belongs to Kubernetes; not injected`;
  const label = textAt(mapAt(metadata, 'labels'), INJECT);
  // The label is the newer form and wins.
  const wish = label ?? textAt(mapAt(metadata, 'annotations'), INJECT);
  if (wish === undefined || wish === '' || YES.has(wish.toLowerCase())) return undefined;
  return `${label === undefined ? 'annotation' : 'label'} ${INJECT} is ${JSON.stringify(wish)}; not injected`;
}

/** The mark of an injector, or the container itself. */
function isInjected(metadata: JsonMap, spec: JsonMap): boolean {
  if (textAt(mapAt(metadata, 'annotations'), STATUS_ANNOTATION) !== undefined) return true;
  return [...mapsAt(spec, 'containers'), ...mapsAt(spec, 'initContainers')].some((container) => container['name'] === PROXY_CONTAINER && !isCustomisation(container));
}
