/** VirtualService delegation: each route of the delegate narrowed by the route that delegates to it (istio-api.md 2.8). */

import type { Resource } from '../load/types.ts';
import type { StringMatch } from '../resources/messages.ts';
import type { HttpMatchRequest, HttpRoute } from '../resources/virtual-service/types.ts';
import type { VirtualServiceSpec } from '../resources/virtual-service.ts';
import type { HttpRule, RuleMatch, SkippedRoute } from './http-rule.ts';
import type { Place } from './located.ts';
import { below, originAt } from './located.ts';
import { resolveGateway } from './names.ts';
import { isExportedTo } from './visibility.ts';

/** The route with `delegate`, in the VirtualService that has hosts. */
export interface DelegatingRoute {
  readonly route: HttpRoute;
  readonly place: Place;
  readonly namespace: string;
  readonly index: number;
}

export interface Delegation {
  readonly rules: readonly HttpRule[];
  readonly skipped: readonly SkippedRoute[];
}

/** Fields a delegate's route takes over from the root where it has none itself. */
const INHERITED_FIELDS = ['rewrite', 'directResponse', 'timeout', 'retries', 'fault', 'mirror', 'mirrorPercent', 'mirrorPercentage', 'mirrors', 'corsPolicy', 'headers'] as const;

/** A missing delegate, or one that the root's namespace may not see, drops the root route and nothing else. */
export function delegatedRules(root: DelegatingRoute, find: (key: string) => Resource<VirtualServiceSpec> | undefined, defaultExportTo: readonly string[]): Delegation {
  const { name = '', namespace = root.namespace } = root.route.delegate ?? {};
  const key = `${namespace}/${name}`;
  const delegate = find(key);
  if (delegate === undefined) return dropped(root, `delegates to VirtualService ${key}, which does not exist or is no delegate`);
  const visible = isExportedTo(delegate.spec.exportTo ?? defaultExportTo, namespace, root.namespace);
  if (!visible) return dropped(root, `delegates to VirtualService ${key}, which is not exported to namespace ${root.namespace}`);
  const rules: HttpRule[] = [];
  const skipped: SkippedRoute[] = [];
  for (const [index, route] of (delegate.spec.http ?? []).entries()) {
    const merged = mergeRoute(root, { route, place: { source: delegate.source, path: ['spec', 'http', index] }, namespace, index }, key);
    if ('reason' in merged) skipped.push(merged);
    else rules.push(merged);
  }
  return { rules, skipped };
}

function dropped(root: DelegatingRoute, reason: string): Delegation {
  return { rules: [], skipped: [{ route: `http[${root.index}]`, reason, origin: originAt(below(root.place, 'delegate')) }] };
}

function mergeRoute(root: DelegatingRoute, own: DelegatingRoute, key: string): HttpRule | SkippedRoute {
  const label = `http[${root.index}] delegated to ${key} http[${own.index}]`;
  const matches = mergeMatches(root, own, label);
  if (matches === undefined) return { route: label, reason: 'has a match that no match of the delegating route covers', origin: originAt(own.place) };
  const inherited = new Map<keyof HttpRoute, Place>();
  const route: Record<string, unknown> = { ...own.route };
  for (const field of INHERITED_FIELDS) {
    if (route[field] !== undefined || root.route[field] === undefined) continue;
    route[field] = root.route[field];
    inherited.set(field, below(root.place, field));
  }
  const name = joinNames(root.route.name, own.route.name);
  if (name !== undefined) route['name'] = name;
  return { route: route as HttpRoute, matches, label, place: own.place, index: own.index, namespace: own.namespace, inherited, delegatingNamespace: root.namespace };
}

/** Every match of the delegate with each compatible match of the root; undefined when one of them fits none. */
function mergeMatches(root: DelegatingRoute, own: DelegatingRoute, label: string): readonly RuleMatch[] | undefined {
  const rootMatches = matchesOf(root, label);
  const ownMatches = matchesOf(own, label);
  if (rootMatches.length === 0) return ownMatches;
  if (ownMatches.length === 0) return rootMatches;
  const merged: RuleMatch[] = [];
  for (const leaf of ownMatches) {
    const compatible = rootMatches.filter((candidate) => !conflicts(candidate, leaf));
    if (compatible.length === 0) return undefined;
    for (const above of compatible) merged.push({ ...leaf, match: mergeMatch(above.match, leaf.match), namespace: gatewayNamespace(above, leaf) });
  }
  return merged;
}

function matchesOf({ route, place, namespace }: DelegatingRoute, label: string): readonly RuleMatch[] {
  return (route.match ?? []).map((match, position) => ({ match, namespace, label: `${label} match[${position}]`, place: below(place, 'match', position) }));
}

/** Gateway names are resolved by whoever wrote the list that is used. */
function gatewayNamespace(above: RuleMatch, leaf: RuleMatch): string {
  return (leaf.match.gateways ?? []).length > 0 ? leaf.namespace : above.namespace;
}

function mergeMatch(root: HttpMatchRequest, leaf: HttpMatchRequest): HttpMatchRequest {
  const name = joinNames(root.name, leaf.name);
  const gateways = (leaf.gateways ?? []).length > 0 ? leaf.gateways : root.gateways;
  return {
    ...root,
    ...leaf,
    ...(name !== undefined && { name }),
    headers: { ...root.headers, ...leaf.headers },
    withoutHeaders: { ...root.withoutHeaders, ...leaf.withoutHeaders },
    queryParams: { ...root.queryParams, ...leaf.queryParams },
    sourceLabels: { ...root.sourceLabels, ...leaf.sourceLabels },
    ...(gateways !== undefined && { gateways }),
  };
}

function joinNames(root: string | undefined, own: string | undefined): string | undefined {
  if (own === undefined || own === '') return root;
  return root === undefined || root === '' ? own : `${root}-${own}`;
}

/** True unless what `leaf` asks for is a part of what `root` lets through. */
function conflicts({ match: root, namespace: rootNamespace }: RuleMatch, { match: leaf, namespace: leafNamespace }: RuleMatch): boolean {
  if (conditionConflicts(root.uri, leaf.uri) || conditionConflicts(root.scheme, leaf.scheme)) return true;
  if (conditionConflicts(root.method, leaf.method) || conditionConflicts(root.authority, leaf.authority)) return true;
  if (mapConflicts(root.headers, leaf.headers) || mapConflicts(root.withoutHeaders, leaf.withoutHeaders) || mapConflicts(root.queryParams, leaf.queryParams)) return true;
  if ((root.ignoreUriCase ?? false) !== (leaf.ignoreUriCase ?? false)) return true;
  if (root.port !== undefined && leaf.port !== undefined && root.port !== leaf.port) return true;
  if ((root.sourceNamespace ?? '') !== '' && root.sourceNamespace !== leaf.sourceNamespace) return true;
  if (labelsConflict(root.sourceLabels ?? {}, leaf.sourceLabels ?? {})) return true;
  return gatewaysConflict(resolved(root.gateways, rootNamespace), resolved(leaf.gateways, leafNamespace));
}

type Conditions = Readonly<Record<string, StringMatch>> | undefined;

function mapConflicts(root: Conditions, leaf: Conditions): boolean {
  return Object.entries(leaf ?? {}).some(([key, condition]) => conditionConflicts(root?.[key], condition));
}

/** No conflict where one side does not ask; exact within prefix and equal exacts fit; a regex fits nothing but silence. */
function conditionConflicts(root: StringMatch | undefined, leaf: StringMatch | undefined): boolean {
  if (root === undefined || leaf === undefined) return false;
  if (root.regex !== undefined || leaf.regex !== undefined) return true;
  if (root.exact !== undefined) return leaf.exact !== root.exact;
  if (root.prefix !== undefined) return !(leaf.prefix ?? leaf.exact ?? '').startsWith(root.prefix) || (leaf.prefix === undefined && leaf.exact === undefined);
  return true;
}

function labelsConflict(root: Readonly<Record<string, string>>, leaf: Readonly<Record<string, string>>): boolean {
  return Object.entries(leaf).some(([key, value]) => root[key] !== undefined && root[key] !== value);
}

function gatewaysConflict(root: readonly string[], leaf: readonly string[]): boolean {
  return root.length > 0 && leaf.some((gateway) => !root.includes(gateway));
}

function resolved(gateways: readonly string[] | undefined, namespace: string): readonly string[] {
  return (gateways ?? []).map((gateway) => resolveGateway(gateway, namespace));
}
