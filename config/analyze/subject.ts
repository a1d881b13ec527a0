/** What analyzers look at: the snapshot, and the lookups that several of them need, made once. */

import { mostSpecific, overlaps } from '../compile/host-match.ts';
import type { Labels } from '../compile/labels.ts';
import { isEmpty, LabelIndex, selects } from '../compile/labels.ts';
import type { MeshSettings } from '../compile/mesh.ts';
import { meshSettings } from '../compile/mesh.ts';
import type { MeshService } from '../compile/mesh-service.ts';
import { meshServices } from '../compile/services.ts';
import { isExportedTo } from '../compile/visibility.ts';
import { entryLabels } from '../compile/workloads.ts';
import type { Resource, Snapshot } from '../load/snapshot.ts';
import { suggest } from '../resources/suggest.ts';

export interface Subject {
  readonly snapshot: Snapshot;
  readonly mesh: MeshSettings;
  /** DNS suffix of Kubernetes services. */
  readonly clusterDomain: string;
  readonly rootNamespace: string;
  readonly hosts: HostIndex;
  readonly workloads: readonly LabelledWorkload[];
  readonly workloadIndex: LabelIndex<LabelledWorkload>;
  /**
   * `Kind namespace/name` of resources that have errors of their own and so are not in the snapshot: whoever refers to
   * one is not told that it does not exist.
   */
  readonly broken: ReadonlySet<string>;
}

export interface LabelledWorkload {
  /** `Pod default/reviews-v1`. */
  readonly resource: string;
  readonly namespace: string;
  readonly labels: Labels;
}

const DEFAULT_ROOT_NAMESPACE = 'istio-system';

export function subjectOf(snapshot: Snapshot, clusterDomain = 'cluster.local'): Subject {
  const mesh = meshSettings(snapshot.meshConfig);
  const workloads = labelledWorkloads(snapshot);
  return {
    snapshot,
    mesh,
    clusterDomain,
    rootNamespace: rootNamespaceOf(snapshot),
    hosts: new HostIndex(meshServices(snapshot, mesh, clusterDomain)),
    workloads,
    workloadIndex: new LabelIndex(workloads, ({ namespace }) => namespace, ({ labels }) => labels),
    broken: new Set(snapshot.problems.filter(({ severity, resource }) => severity === 'error' && resource !== '').map(({ resource }) => resource)),
  };
}

/** Namespace of mesh-wide resources as the mesh configuration has it. */
export function rootNamespaceOf({ meshConfig }: Snapshot): string {
  return meshConfig?.spec.rootNamespace ?? DEFAULT_ROOT_NAMESPACE;
}

/** Candidates for a "did you mean" among hosts: comparing words is quadratic, and a mesh has thousands. */
const MAX_SUGGESTED_FROM = 2000;

/** Any two words this short are a letter apart. */
export const MIN_SUGGESTED_LENGTH = 3;

/** Services and ServiceEntries by host name, wildcards included. */
export class HostIndex {
  readonly services: readonly MeshService[];
  readonly #byHost = new Map<string, MeshService[]>();

  constructor(services: readonly MeshService[]) {
    this.services = services;
    for (const service of services) {
      const same = this.#byHost.get(service.host);
      if (same === undefined) this.#byHost.set(service.host, [service]);
      else same.push(service);
    }
  }

  /** The service that a full host name means for a client in `namespace`: the exact one, else the longest wildcard over it. */
  find(host: string, namespace: string): MeshService | undefined {
    const isVisible = (service: MeshService): boolean => isExportedTo(service.exportTo, service.namespace, namespace);
    return this.#byHost.get(host)?.find(isVisible) ?? mostSpecific(this.#byHost, host)?.find(isVisible);
  }

  /** Known at all, exported or not. */
  has(host: string): boolean {
    return mostSpecific(this.#byHost, host) !== undefined;
  }

  /** True if a wildcard host covers some known host. */
  overlapsAny(host: string): boolean {
    return this.services.some((service) => overlaps(service.host, host));
  }

  /** A known host near to a mistyped one, as its owner's neighbours would write it. */
  nearest(host: string, namespace: string): string | undefined {
    const [label = '', owner = namespace] = host.split('.');
    if (label.length < MIN_SUGGESTED_LENGTH) return undefined;
    const short = this.services.filter((service) => service.declared.kind === 'Service' && service.namespace === owner).slice(0, MAX_SUGGESTED_FROM);
    const near = suggest(label, short.map((service) => service.name));
    if (near !== undefined && host.startsWith(`${label}.${owner}.svc`)) return owner === namespace ? near : `${near}.${owner}.svc${host.slice(`${label}.${owner}.svc`.length)}`;
    return suggest(host, this.services.slice(0, MAX_SUGGESTED_FROM).map((service) => service.host));
  }
}

/** Pods and WorkloadEntries; a WorkloadEntry's own labels lie under those of its metadata. */
function labelledWorkloads(snapshot: Snapshot): readonly LabelledWorkload[] {
  const named = (resource: Resource<unknown>, labels: Labels): LabelledWorkload => ({ resource: resource.source.resource, namespace: resource.metadata.namespace, labels });
  return [
    ...snapshot.pods.map((pod) => named(pod, pod.metadata.labels)),
    ...snapshot.workloadEntries.map((entry) => named(entry, entryLabels(entry))),
  ];
}

/** Workloads of `namespace` (undefined: of all) that carry the labels. */
export function selectWorkloads({ workloads, workloadIndex }: Subject, namespace: string | undefined, labels: Labels): readonly LabelledWorkload[] {
  if (namespace !== undefined && !isEmpty(labels)) return workloadIndex.select(namespace, labels);
  return workloads.filter((workload) => (namespace === undefined || workload.namespace === namespace) && selects(labels, workload.labels));
}

/** `app=reviews,version=v1` */
export function renderLabels(labels: Labels | undefined): string {
  if (labels === undefined || isEmpty(labels)) return '(none)';
  return Object.entries(labels).map(([key, value]) => `${key}=${value}`).join(',');
}
