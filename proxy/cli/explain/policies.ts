/** Every policy of the chosen route and cluster in the resource's own words, with where it was written. */

import type { CompileTrace } from '../../../config/compile/trace.ts';
import { fieldOrigin } from '../../../config/compile/http-rule.ts';
import type { HttpRule } from '../../../config/compile/http-rule.ts';
import { below, originAt } from '../../../config/compile/located.ts';
import type { Located } from '../../../config/compile/located.ts';
import { meshSettings } from '../../../config/compile/mesh.ts';
import type { Snapshot } from '../../../config/load/types.ts';
import type { HttpRoute } from '../../../config/resources/virtual-service/types.ts';
import type { ClusterConfig } from '../../../config/runtime/cluster.ts';
import type { RouteConfig } from '../../../config/runtime/route.ts';
import type { ExplainedPolicy, PolicyName } from './explanation.ts';

/** What retries Istio makes where nobody says otherwise (istio-api.md 2.9). */
const DEFAULT_RETRIES = { attempts: 2, retryOn: 'connect-failure,refused-stream,unavailable,cancelled' };

const NOTHING: ExplainedPolicy = { value: null, origin: 'default' };
const NOT_YET = 'not enforced yet';

export interface Decided {
  readonly route: RouteConfig | undefined;
  /** Of the destination with the largest weight. */
  readonly cluster: ClusterConfig | undefined;
}

export function explainPolicies({ route, cluster }: Decided, snapshot: Snapshot, trace: CompileTrace): Readonly<Record<PolicyName, ExplainedPolicy>> {
  const rule = route === undefined ? undefined : trace.routes.get(route)?.rule;
  return { ...routePolicies(route, rule, snapshot), ...clusterPolicies(cluster, trace) };
}

type RoutePolicy = 'timeout' | 'retries' | 'fault' | 'mirror' | 'cors' | 'headers' | 'rewrite';
type ClusterPolicy = Exclude<PolicyName, RoutePolicy>;

function routePolicies(route: RouteConfig | undefined, rule: HttpRule | undefined, snapshot: Snapshot): Record<RoutePolicy, ExplainedPolicy> {
  return {
    timeout: written(rule, 'timeout'),
    retries: retries(route, rule, snapshot),
    fault: written(rule, 'fault', NOT_YET),
    mirror: mirror(rule),
    cors: written(rule, 'corsPolicy'),
    headers: headers(rule),
    rewrite: written(rule, 'rewrite'),
  };
}

function written(rule: HttpRule | undefined, field: keyof HttpRoute, notEnforced?: string): ExplainedPolicy {
  const value = rule?.route[field];
  if (rule === undefined || value === undefined) return NOTHING;
  return { value: inWords(value, field), origin: fieldOrigin(rule, field), ...(notEnforced !== undefined && { notEnforced }) };
}

/** Retries have a default wherever a request is forwarded, and the mesh may have its own. */
function retries(route: RouteConfig | undefined, rule: HttpRule | undefined, { meshConfig }: Snapshot): ExplainedPolicy {
  if (route?.action.kind !== 'forward') return NOTHING;
  if (rule?.route.retries !== undefined) return { ...written(rule, 'retries', NOT_YET) };
  const ofMesh = meshConfig?.spec.defaultHttpRetryPolicy;
  const place = meshSettings(meshConfig).placeOf('defaultHttpRetryPolicy');
  if (ofMesh !== undefined && place !== undefined) return { value: inWords(ofMesh, ''), origin: originAt(place), notEnforced: NOT_YET };
  return { value: DEFAULT_RETRIES, origin: 'default', notEnforced: NOT_YET };
}

/** Either spelling as a list of `mirrors`, with the share that an absent one means. */
function mirror(rule: HttpRule | undefined): ExplainedPolicy {
  if (rule === undefined) return NOTHING;
  const { mirror: single, mirrors, mirrorPercentage, mirrorPercent } = rule.route;
  if (single !== undefined) {
    const percentage = { value: mirrorPercentage === undefined ? (mirrorPercent ?? 100) : (mirrorPercentage.value ?? 0) };
    return { value: [{ destination: single, percentage }], origin: fieldOrigin(rule, 'mirror'), notEnforced: NOT_YET };
  }
  if (mirrors === undefined || mirrors.length === 0) return NOTHING;
  const value = mirrors.map(({ destination, percentage }) => ({ destination, percentage: { value: percentage === undefined ? 100 : (percentage.value ?? 0) } }));
  return { value, origin: fieldOrigin(rule, 'mirrors'), notEnforced: NOT_YET };
}

/** Those of the route, and those of its destinations by the place they stand. */
function headers(rule: HttpRule | undefined): ExplainedPolicy {
  if (rule === undefined) return NOTHING;
  const destinations = (rule.route.route ?? []).flatMap(({ destination, headers: own }, index) => (own === undefined ? [] : [{ destination, headers: own, index }]));
  const [first] = destinations;
  if (rule.route.headers === undefined && first === undefined) return NOTHING;
  const origin = rule.route.headers === undefined && first !== undefined ? originAt(below(rule.place, 'route', first.index, 'headers')) : fieldOrigin(rule, 'headers');
  const route = destinations.map(({ destination, headers: own }) => ({ destination, headers: own }));
  return { value: inWords({ ...rule.route.headers, ...(route.length > 0 && { route }) }, ''), origin };
}

function clusterPolicies(cluster: ClusterConfig | undefined, trace: CompileTrace): Record<ClusterPolicy, ExplainedPolicy> {
  const policy = cluster === undefined ? undefined : trace.policies.get(cluster);
  if (cluster === undefined) return { loadBalancer: NOTHING, connectionPool: NOTHING, outlierDetection: NOTHING, tls: NOTHING };
  return {
    loadBalancer: block(policy?.loadBalancer, { simple: cluster.loadBalancer.policy }, partlyEnforced(policy?.loadBalancer, ['simple'])),
    connectionPool: block(policy?.connectionPool, { tcp: { connectTimeout: duration(cluster.connectTimeoutMs) } }, poolNote(policy?.connectionPool)),
    outlierDetection: block(policy?.outlierDetection, null, policy?.outlierDetection && NOT_YET),
    tls: block(policy?.tls, { mode: cluster.tls.mode }, tlsNote(cluster)),
  };
}

function block(found: Located<object> | undefined, fallback: unknown, notEnforced: string | undefined): ExplainedPolicy {
  const note = notEnforced === undefined ? {} : { notEnforced };
  return found === undefined ? { value: fallback, origin: 'default', ...note } : { value: inWords(found.value, ''), origin: originAt(found), ...note };
}

function partlyEnforced(found: Located<object> | undefined, enforced: readonly string[]): string | undefined {
  const others = Object.keys(found?.value ?? {}).filter((key) => !enforced.includes(key));
  return others.length === 0 ? undefined : `${others.join(', ')}: ${NOT_YET}`;
}

const ENFORCED_POOL_FIELDS: ReadonlySet<string> = new Set(['tcp.connectTimeout', 'tcp.idleTimeout', 'http.idleTimeout']);

function poolNote(found: Located<{ readonly tcp?: object; readonly http?: object }> | undefined): string | undefined {
  const fields = (['tcp', 'http'] as const).flatMap((part) => Object.keys(found?.value[part] ?? {}).map((key) => `${part}.${key}`));
  const others = fields.filter((field) => !ENFORCED_POOL_FIELDS.has(field));
  return others.length === 0 ? undefined : `${others.join(', ')}: ${NOT_YET}`;
}

function tlsNote({ tls: { mode } }: ClusterConfig): string | undefined {
  if (mode === 'ISTIO_MUTUAL') return 'not enforced yet, sent in plain text';
  return mode === 'SIMPLE' || mode === 'MUTUAL' ? 'not enforced yet, answered 503' : undefined;
}

/** Fields that are durations wherever they occur; resources hold them in milliseconds. */
const DURATION_FIELDS: ReadonlySet<string> = new Set([
  'timeout', 'perTryTimeout', 'backoff', 'fixedDelay', 'maxAge', 'connectTimeout', 'idleTimeout', 'maxConnectionDuration', 'time', 'interval',
  'baseEjectionTime', 'ttl', 'duration', 'warmupDurationSecs', 'budgetInterval', 'weightExpirationPeriod', 'weightStabilizationPeriod', 'weightUpdatePeriod',
]);

/** A copy as the resource would write it. */
function inWords(value: unknown, field: string): unknown {
  if (typeof value === 'number' && DURATION_FIELDS.has(field)) return duration(value);
  if (Array.isArray(value)) return value.map((item) => inWords(item, field));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, inWords(inner, key)]));
}

/** `10s`, `500ms`; never in larger units, which reads well enough and needs no rounding. */
function duration(ms: number): string {
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`;
}
