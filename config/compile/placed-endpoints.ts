/** Endpoints as one client uses them: by nearness in priorities, or in the shares that `distribute` gives localities (istio-api.md 3.5). */

import type { LocalityFailover, LocalityLbSetting } from '../resources/traffic-policy/types.ts';
import type { EndpointConfig } from '../runtime/endpoint.ts';
import type { LabelledEndpoint } from './endpoints.ts';
import { endpointLabel } from './endpoints.ts';
import type { Locality } from './locality.ts';
import { completed, distance, localityMatches, parseLocality } from './locality.ts';
import type { EffectiveLocality } from './locality-setting.ts';

/** Where the proxy itself is, and by what labels it may be compared. */
export interface ClientPlace {
  readonly locality: Locality;
  /** Topology labels included; empty where unknown. */
  label(key: string): string;
}

export interface PlacedEndpoints {
  readonly endpoints: readonly EndpointConfig[];
  /** Localities have shares of their own. */
  readonly weighted: boolean;
}

/** `distribute` leaves no room for failover, as in Istio. */
export function placeEndpoints(candidates: readonly LabelledEndpoint[], locality: EffectiveLocality | undefined, client: ClientPlace): PlacedEndpoints {
  const { distribute = [] } = locality?.setting ?? {};
  const shares = distribute.find(({ from = '' }) => localityMatches(from, client.locality))?.to;
  if (shares !== undefined) return { endpoints: distributed(candidates, shares, client.locality), weighted: true };
  const prioritised = locality?.failover === true && distribute.length === 0;
  return { endpoints: prioritised ? byPriority(candidates, locality.setting, client) : candidates.map(({ endpoint }) => endpoint), weighted: false };
}

/** Endpoints outside every listed locality get nothing. A share that covers several localities is split by their endpoints' weights, rounded up. */
function distributed(candidates: readonly LabelledEndpoint[], shares: Readonly<Record<string, number>>, own: Locality): readonly EndpointConfig[] {
  const patterns = Object.keys(shares);
  const patternOf = (locality: string): string | undefined => patterns.find((pattern) => localityMatches(pattern, completed(parseLocality(locality), own)));
  const weights = new Map<string, number>();
  const totals = new Map<string, number>();
  for (const { endpoint } of candidates) {
    const pattern = patternOf(endpoint.locality);
    if (pattern === undefined) continue;
    weights.set(endpoint.locality, (weights.get(endpoint.locality) ?? 0) + endpoint.weight);
    totals.set(pattern, (totals.get(pattern) ?? 0) + endpoint.weight);
  }
  return candidates.flatMap(({ endpoint }) => {
    const pattern = patternOf(endpoint.locality);
    if (pattern === undefined) return [];
    const share = ((weights.get(endpoint.locality) ?? 0) * (shares[pattern] ?? 0)) / (totals.get(pattern) ?? 1);
    return [{ ...endpoint, localityWeight: Math.ceil(share) }];
  });
}

/** Levels that nobody is on are left out, so that the first is 0, which is not written. */
function byPriority(candidates: readonly LabelledEndpoint[], setting: LocalityLbSetting, client: ClientPlace): readonly EndpointConfig[] {
  const levels = candidates.map((candidate) => level(candidate, setting, client));
  const order = [...new Set(levels)].sort((a, b) => a - b);
  return candidates.map(({ endpoint }, index) => {
    const priority = order.indexOf(levels[index] as number);
    return priority === 0 ? endpoint : { ...endpoint, priority };
  });
}

/** Highest number of a level that nearness alone gives, and one. */
const NEARNESS_LEVELS = 5;

/** Labels decide first; among endpoints they hold equal `failover` regions do. Without labels nearness alone. */
function level(candidate: LabelledEndpoint, { failoverPriority = [], failover = [] }: LocalityLbSetting, client: ClientPlace): number {
  const byLabels = labelMismatch(candidate, failoverPriority, client);
  if (failoverPriority.length > 0 && failover.length === 0) return byLabels;
  return byLabels * NEARNESS_LEVELS + remoteness(parseLocality(candidate.endpoint.locality), failover, client.locality);
}

/** How many labels are left from the first that differs; `key=value` names the value itself in place of the client's. */
function labelMismatch(candidate: LabelledEndpoint, keys: readonly string[], client: ClientPlace): number {
  const first = keys.findIndex((entry) => {
    const equals = entry.indexOf('=');
    const key = equals === -1 ? entry : entry.slice(0, equals);
    const wanted = equals === -1 ? client.label(key) : entry.slice(equals + 1);
    return endpointLabel(candidate, key, client.locality) !== wanted;
  });
  return first === -1 ? 0 : keys.length - first;
}

/** A region that a `failover` entry for the own one does not name comes last. */
function remoteness(locality: Locality, failover: readonly LocalityFailover[], own: Locality): number {
  const near = distance(own, locality);
  const entry = near === 3 ? failover.find(({ from = '' }) => from === own.region) : undefined;
  return entry === undefined || (entry.to ?? '') === locality.region ? near : 4;
}
