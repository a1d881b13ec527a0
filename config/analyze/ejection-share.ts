/**
 * outlierDetection that never ejects: the share of endpoints that may be out at a time is rounded down, so Istio's
 * default of 10 % takes none out of fewer than ten (Envoy's `always_eject_one_host` is not programmed by Istio).
 */

import type { EndpointSource } from '../compile/endpoints.ts';
import { peerAuthentications } from '../compile/peer-authentication.ts';
import { distinctEndpoints, endpointSource, endpointsOf } from '../compile/endpoints.ts';
import { isWildcard } from '../compile/host-match.ts';
import type { Labels } from '../compile/labels.ts';
import { selects } from '../compile/labels.ts';
import type { MeshService } from '../compile/mesh-service.ts';
import { resolveHost } from '../compile/names.ts';
import { indexWorkloads } from '../compile/workloads.ts';
import type { Resource } from '../load/snapshot.ts';
import type { DestinationRuleSpec, OutlierDetection } from '../resources/destination-rule.ts';
import type { Path } from '../resources/finding.ts';
import type { Problem } from '../runtime/problem.ts';
import { problemAt } from './problem-at.ts';
import type { Subject } from './subject.ts';
import { trafficPoliciesOf } from './traffic-policies.ts';

/** Of maxEjectionPercent where it is absent or 0. */
const DEFAULT_PERCENT = 10;

export function analyzeEjectionShare(subject: Subject): readonly Problem[] {
  const { snapshot } = subject;
  const source = endpointSource(snapshot, indexWorkloads(snapshot), { nodeName: undefined, mode: 'sidecar', trustDomain: '', peerAuthentications: peerAuthentications([], '') });
  return [...snapshot.destinationRules.flatMap((rule) => checkRule(rule, subject, source)), ...checkMesh(subject)];
}

function checkMesh({ snapshot: { meshConfig } }: Subject): readonly Problem[] {
  const detection = meshConfig?.spec.defaultTrafficPolicy?.outlierDetection;
  if (meshConfig === undefined || detection === undefined || isWritten(detection)) return [];
  return [problemAt(meshConfig, 'warning', pathOf(detection, ['defaultTrafficPolicy', 'outlierDetection']), UNKNOWN_COUNT)];
}

function checkRule(rule: Resource<DestinationRuleSpec>, subject: Subject, source: EndpointSource): readonly Problem[] {
  const { spec, metadata } = rule;
  const host = resolveHost(spec.host, metadata.namespace, subject.clusterDomain);
  const service = isWildcard(host) ? undefined : subject.hosts.find(host, metadata.namespace);
  return trafficPoliciesOf(spec).flatMap(({ policy: { outlierDetection: detection }, path, port }) => {
    if (detection === undefined) return [];
    const message = problemOf(detection, groupsOf(spec, path, service, port, source));
    return message === undefined ? [] : [problemAt(rule, 'warning', pathOf(detection, [...path, 'outlierDetection']), message)];
  });
}

/** Endpoints that one such block watches together: a cluster of their own. */
interface Group {
  readonly name: string;
  readonly size: number;
}

/** The service as a whole and the subsets that inherit its block, or the one subset. Empty where nobody knows the endpoints yet. */
function groupsOf(spec: DestinationRuleSpec, path: Path, service: MeshService | undefined, portNumber: number | undefined, source: EndpointSource): readonly Group[] {
  const port = service?.ports.find(({ number }) => number === portNumber) ?? service?.ports[0];
  if (service === undefined || port === undefined || service.resolution.includes('DNS')) return [];
  const endpoints = endpointsOf(service, port, source);
  const count = (wanted: Labels | undefined): number => distinctEndpoints(endpoints.filter(({ labels }) => selects(wanted, labels))).length;
  const subsets = (spec.subsets ?? []).filter((subset, index) => (path[1] === 'subsets' ? path[2] === index : portNumber === undefined && subset.trafficPolicy?.outlierDetection === undefined));
  const whole: Group = { name: service.host, size: distinctEndpoints(endpoints).length };
  const groups = [...(path[1] === 'subsets' ? [] : [whole]), ...subsets.map((subset): Group => ({ name: `subset ${JSON.stringify(subset.name)}`, size: count(subset.labels) }))];
  return groups.filter(({ size }) => size > 0);
}

const UNKNOWN_COUNT = `maxEjectionPercent is unset, which means ${DEFAULT_PERCENT}: of fewer than ${Math.ceil(100 / DEFAULT_PERCENT)} endpoints none is ever ejected; set it (100 allows all)`;

function problemOf(detection: OutlierDetection, groups: readonly Group[]): string | undefined {
  if (groups.length === 0) return isWritten(detection) ? undefined : UNKNOWN_COUNT;
  const percent = isWritten(detection) ? (detection.maxEjectionPercent ?? 0) : DEFAULT_PERCENT;
  const spared = groups.find(({ size }) => Math.floor((size * percent) / 100) < 1);
  if (spared === undefined) return undefined;
  const share = isWritten(detection) ? `${percent} %` : `${percent} % (maxEjectionPercent is unset)`;
  const endpoints = spared.size === 1 ? '1 endpoint' : `${spared.size} endpoints`;
  return `no endpoint of ${spared.name} is ever ejected: ${share} of ${endpoints} is less than one; set maxEjectionPercent to ${Math.ceil(100 / spared.size)} or more`;
}

/** 0 is how protobuf writes nothing. */
function isWritten({ maxEjectionPercent = 0 }: OutlierDetection): boolean {
  return maxEjectionPercent > 0;
}

function pathOf(detection: OutlierDetection, block: Path): Path {
  return detection.maxEjectionPercent === undefined ? block : [...block, 'maxEjectionPercent'];
}
