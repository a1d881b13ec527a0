/** Which DestinationRule a client uses for a service: namespaces in order, host specificity, selectors, merging (istio-api.md 3.1). */

import type { Resource } from '../load/types.ts';
import type { DestinationRuleSpec, Subset, TrafficPolicy } from '../resources/destination-rule.ts';
import { mostSpecific } from './host-match.ts';
import type { Labels } from './labels.ts';
import { isEmpty, selects } from './labels.ts';
import type { Located } from './located.ts';
import { resolveHost } from './names.ts';
import { oldestFirst } from './order.ts';
import { isExportedTo, isPrivate } from './visibility.ts';

/** Rules for one host that Istio reads as one. */
export interface EffectiveRule {
  /** The oldest of the merged rules. */
  readonly resource: Resource<DestinationRuleSpec>;
  /** The first that is not empty. */
  readonly trafficPolicy: Located<TrafficPolicy> | undefined;
  /** The first definition of each name. */
  readonly subsets: readonly Located<Subset>[];
}

export interface DestinationRules {
  /** `direction` inbound leaves out rules for chosen client workloads. */
  ruleFor(service: NamedService, direction?: 'outbound' | 'inbound'): EffectiveRule | undefined;
}

export interface NamedService {
  readonly host: string;
  readonly namespace: string;
}

export interface RuleClient {
  readonly namespace: string;
  readonly labels: Labels;
  readonly rootNamespace: string;
  readonly clusterDomain: string;
  readonly defaultExportTo: readonly string[];
}

export function indexDestinationRules(resources: readonly Resource<DestinationRuleSpec>[], client: RuleClient): DestinationRules {
  const pools = new RulePools(oldestFirst(resources), client);
  const known = new Map<object, EffectiveRule | undefined>();
  const find = (service: NamedService, direction: 'outbound' | 'inbound'): EffectiveRule | undefined => {
    const groups = pools.find(service);
    return groups === undefined ? undefined : chooseGroup(groups, client, direction)?.rule;
  };
  return {
    ruleFor: (service, direction = 'outbound') => {
      if (direction === 'inbound') return find(service, direction);
      // Asked for each of the service's ports and for each route to it.
      const before = known.get(service);
      if (before !== undefined || known.has(service)) return before;
      const rule = find(service, direction);
      known.set(service, rule);
      return rule;
    },
  };
}

/** Merged rules of one host with the same selector and exportTo. */
interface RuleGroup {
  readonly key: string;
  readonly namespace: string;
  readonly selector: Labels | undefined;
  rule: EffectiveRule;
}

type HostGroups = Map<string, RuleGroup[]>;

/** Rules by the way the client may reach them: its own namespace's, and those that others export to it. */
class RulePools {
  readonly #client: RuleClient;
  readonly #own: HostGroups = new Map();
  /** By namespace; the client's own is here too, for when it is the service's or the root namespace. */
  readonly #exported = new Map<string, HostGroups>();

  constructor(ordered: readonly Resource<DestinationRuleSpec>[], client: RuleClient) {
    this.#client = client;
    for (const resource of ordered) this.#add(resource);
  }

  /** The first namespace with any host match wins; namespaces are never merged. */
  find({ host, namespace }: NamedService): readonly RuleGroup[] | undefined {
    return mostSpecific(this.#own, host) ?? this.#exportedBy(namespace, host) ?? this.#exportedBy(this.#client.rootNamespace, host);
  }

  #exportedBy(namespace: string, host: string): readonly RuleGroup[] | undefined {
    const pool = this.#exported.get(namespace);
    return pool === undefined ? undefined : mostSpecific(pool, host);
  }

  #add(resource: Resource<DestinationRuleSpec>): void {
    const { namespace, rootNamespace, clusterDomain, defaultExportTo } = this.#client;
    const owner = resource.metadata.namespace;
    const exportTo = resource.spec.exportTo ?? defaultExportTo;
    if (!isExportedTo(exportTo, owner, namespace)) return;
    const host = resolveHost(resource.spec.host, owner, clusterDomain);
    const shared = !isPrivate(exportTo, owner);
    // A client in the root namespace must not let mesh-wide rules win over those beside the service.
    if (owner === namespace && (owner !== rootNamespace || !shared)) addToGroups(this.#own, host, resource, exportTo);
    if (shared) addToGroups(this.#pool(owner), host, resource, exportTo);
  }

  #pool(namespace: string): HostGroups {
    let pool = this.#exported.get(namespace);
    if (pool === undefined) this.#exported.set(namespace, (pool = new Map()));
    return pool;
  }
}

function addToGroups(pool: HostGroups, host: string, resource: Resource<DestinationRuleSpec>, exportTo: readonly string[]): void {
  const selector = resource.spec.workloadSelector?.matchLabels;
  const key = JSON.stringify([Object.entries(selector ?? {}).sort(), [...exportTo].sort()]);
  const groups = pool.get(host) ?? [];
  pool.set(host, groups);
  const same = groups.find((group) => group.key === key);
  if (same === undefined) groups.push({ key, namespace: resource.metadata.namespace, selector, rule: effectiveRule(resource) });
  else same.rule = mergeRules(same.rule, effectiveRule(resource));
}

/** A rule for this very workload beats one for all; of several for all the oldest counts. */
function chooseGroup(groups: readonly RuleGroup[], client: RuleClient, direction: 'outbound' | 'inbound'): RuleGroup | undefined {
  const selected = groups.find(({ selector, namespace }) => !isEmpty(selector) && namespace === client.namespace && selects(selector, client.labels));
  const general = groups.find(({ selector }) => isEmpty(selector));
  return direction === 'outbound' ? (selected ?? general) : general;
}

function effectiveRule(resource: Resource<DestinationRuleSpec>): EffectiveRule {
  const { source, spec } = resource;
  const subsets = (spec.subsets ?? []).map((value, index) => ({ value, source, path: ['spec', 'subsets', index] }));
  const trafficPolicy = spec.trafficPolicy === undefined ? undefined : { value: spec.trafficPolicy, source, path: ['spec', 'trafficPolicy'] };
  return { resource, trafficPolicy, subsets: firstOfEachName(subsets) };
}

function mergeRules(older: EffectiveRule, newer: EffectiveRule): EffectiveRule {
  return {
    resource: older.resource,
    trafficPolicy: older.trafficPolicy ?? newer.trafficPolicy,
    subsets: firstOfEachName([...older.subsets, ...newer.subsets]),
  };
}

function firstOfEachName(subsets: readonly Located<Subset>[]): readonly Located<Subset>[] {
  const byName = new Map<string, Located<Subset>>();
  for (const subset of subsets) if (!byName.has(subset.value.name)) byName.set(subset.value.name, subset);
  return [...byName.values()];
}
