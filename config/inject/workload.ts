/** Which kinds hold a pod template, and where in them it stands. */

import type { Path } from '../resources/finding.ts';
import type { Json, JsonMap } from './json.ts';
import { isMap, mapAt, textAt } from './json.ts';
import type { Report } from './report.ts';

/** A pod template inside a resource; a Pod is its own. */
export interface PodTemplate {
  /** Where it stands in the resource; empty for a Pod. */
  readonly path: Path;
  readonly metadata: JsonMap;
  readonly spec: JsonMap;
  /** Of the resource that holds it. */
  readonly kind: string;
  /** Of the resource; a generated name without its dash. Empty where it has none. */
  readonly workload: string;
  readonly namespace: string;
}

interface WorkloadKind {
  readonly groups: readonly string[];
  readonly template: readonly string[];
}

const TEMPLATE = ['spec', 'template'];

/** The kinds that `istioctl kube-inject` knows, with the API groups that ever had them. */
const KINDS: Readonly<Record<string, WorkloadKind>> = {
  Pod: { groups: [''], template: [] },
  ReplicationController: { groups: [''], template: TEMPLATE },
  Deployment: { groups: ['apps', 'extensions'], template: TEMPLATE },
  StatefulSet: { groups: ['apps'], template: TEMPLATE },
  DaemonSet: { groups: ['apps', 'extensions'], template: TEMPLATE },
  ReplicaSet: { groups: ['apps', 'extensions'], template: TEMPLATE },
  Job: { groups: ['batch'], template: TEMPLATE },
  CronJob: { groups: ['batch'], template: ['spec', 'jobTemplate', ...TEMPLATE] },
  DeploymentConfig: { groups: ['apps.openshift.io', ''], template: TEMPLATE },
};

/** The pod template of a resource; undefined for a kind without one, and, reported, where it is broken. */
export function podTemplateOf(resource: JsonMap, report: Report): PodTemplate | undefined {
  const kind = textAt(resource, 'kind') ?? '';
  const known = Object.hasOwn(KINDS, kind) ? KINDS[kind] : undefined;
  if (known === undefined || !known.groups.includes(groupOf(textAt(resource, 'apiVersion') ?? ''))) return undefined;
  const template = descend(resource, known.template, report);
  if (template === undefined || !wellFormed(template, known.template, report)) return undefined;
  const metadata = mapAt(resource, 'metadata');
  return {
    path: known.template,
    metadata: mapAt(template, 'metadata'),
    spec: mapAt(template, 'spec'),
    kind,
    workload: textAt(metadata, 'name') ?? textAt(metadata, 'generateName')?.replace(/-$/, '') ?? '',
    namespace: textAt(metadata, 'namespace') ?? textAt(mapAt(template, 'metadata'), 'namespace') ?? '',
  };
}

/** The resource with another pod template; what stands around it stays as it is. */
export function withPodTemplate(resource: JsonMap, path: Path, metadata: JsonMap, spec: JsonMap): JsonMap {
  const [step, ...rest] = path;
  if (step === undefined) return { ...resource, metadata, spec };
  return { ...resource, [step]: withPodTemplate(mapAt(resource, String(step)), rest, metadata, spec) };
}

function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf('/');
  return slash === -1 ? '' : apiVersion.slice(0, slash);
}

function descend(resource: JsonMap, path: readonly string[], report: Report): JsonMap | undefined {
  let map = resource;
  for (const [index, step] of path.entries()) {
    const next = map[step];
    if (!isMap(next)) {
      report.error(path.slice(0, next === undefined ? index : index + 1), next === undefined ? `needs ${step}` : 'must be a map');
      return undefined;
    }
    map = next;
  }
  return map;
}

type Check = (value: Json) => string | undefined;

const isText: Check = (value) => (typeof value === 'string' ? undefined : 'must be text; put it in quotes');
const isAMap: Check = (value) => (isMap(value) ? undefined : 'must be a map');
const isAList: Check = (value) => (Array.isArray(value) ? undefined : 'must be a list');

/** As much of a pod as injection relies on. */
function wellFormed(template: JsonMap, base: Path, report: Report): boolean {
  const before = report.findings.length;
  const at = (map: JsonMap, path: Path, key: string, check: Check): void => {
    const value = map[key];
    const message = value === undefined || value === null ? undefined : check(value);
    if (message !== undefined) report.error([...path, key], message);
  };
  at(template, base, 'metadata', isAMap);
  const metadata = mapAt(template, 'metadata');
  for (const key of ['labels', 'annotations']) {
    at(metadata, [...base, 'metadata'], key, isAMap);
    const map = mapAt(metadata, key);
    for (const name of Object.keys(map)) at(map, [...base, 'metadata', key], name, isText);
  }
  if (!isMap(template['spec'])) report.error(template['spec'] === undefined ? base : [...base, 'spec'], 'needs spec, a map');
  const spec = mapAt(template, 'spec');
  for (const key of ['containers', 'initContainers', 'volumes']) {
    at(spec, [...base, 'spec'], key, isAList);
    namedMaps(spec, [...base, 'spec'], key, report);
  }
  const empty = isMap(template['spec']) && (spec['containers'] === undefined || spec['containers'] === null);
  if (empty) report.error([...base, 'spec'], 'needs containers');
  return report.findings.length === before;
}

function namedMaps(spec: JsonMap, path: Path, key: string, report: Report): void {
  const list = spec[key];
  if (!Array.isArray(list)) return;
  for (const [index, item] of list.entries()) {
    if (!isMap(item)) report.error([...path, key, index], 'must be a map');
    else if (textAt(item, 'name') === undefined) report.error([...path, key, index], 'needs a name');
  }
}
