/** What the chosen route says about a request, defaults filled in. */

import { fieldPlace } from '../../../config/compile/http-rule.ts';
import type { HttpRule } from '../../../config/compile/http-rule.ts';
import { below } from '../../../config/compile/located.ts';
import type { Place } from '../../../config/compile/located.ts';
import { meshSettings } from '../../../config/compile/mesh.ts';
import { writtenMirrors } from '../../../config/compile/mirrors.ts';
import type { Snapshot } from '../../../config/load/types.ts';
import type { HttpFaultInjection, HttpRetry, HttpRoute } from '../../../config/resources/virtual-service/types.ts';
import type { RetryConfig } from '../../../config/runtime/retry.ts';
import { DEFAULT_RETRY } from '../../../config/runtime/retry.ts';
import type { RouteConfig } from '../../../config/runtime/route.ts';
import type { ExplainedPolicy, PolicyName } from './explanation.ts';
import { byDefault, NOTHING, writtenAt } from './explained-policy.ts';

export type RoutePolicy = Extract<PolicyName, 'timeout' | 'retries' | 'fault' | 'mirror' | 'cors' | 'headers' | 'rewrite'>;

/** `rule` is what the route was compiled from; undefined for a generated route. */
export function routePolicies(route: RouteConfig | undefined, rule: HttpRule | undefined, snapshot: Snapshot): Record<RoutePolicy, ExplainedPolicy> {
  return {
    timeout: written(rule, 'timeout'),
    retries: retries(route, rule, snapshot),
    fault: fault(rule),
    mirror: mirror(rule),
    cors: written(rule, 'corsPolicy'),
    headers: headers(rule),
    rewrite: written(rule, 'rewrite'),
  };
}

function written(rule: HttpRule | undefined, field: keyof HttpRoute): ExplainedPolicy {
  const value = rule?.route[field];
  return rule === undefined || value === undefined ? NOTHING : writtenAt(fieldPlace(rule, field), value, field);
}

/** Retries have a default wherever a request is forwarded, and the mesh may have its own. */
function retries(route: RouteConfig | undefined, rule: HttpRule | undefined, { meshConfig }: Snapshot): ExplainedPolicy {
  if (route?.action.kind !== 'forward') return NOTHING;
  const compiled = route.retry === undefined ? DEFAULT_RETRY : route.retry;
  const own = rule?.route.retries;
  if (rule !== undefined && own !== undefined) return writtenAt(fieldPlace(rule, 'retries'), retryWords(own, compiled));
  const ofMesh = meshConfig?.spec.defaultHttpRetryPolicy;
  const place = meshSettings(meshConfig).placeOf('defaultHttpRetryPolicy');
  if (ofMesh !== undefined && place !== undefined) return writtenAt(place, retryWords(ofMesh, compiled));
  return byDefault(retryWords({ attempts: DEFAULT_RETRY.attempts }, compiled));
}

/** What `retryOn` means where it is not written; status codes are added to it by number. */
const DEFAULT_RETRY_ON = DEFAULT_RETRY.conditions.filter((condition) => condition !== 'retriable-status-codes').join(',');

/** As written, with the defaults of what was not; no retries where the policy makes none. */
function retryWords(own: HttpRetry, compiled: RetryConfig | null): HttpRetry {
  if (compiled === null) return { ...own, attempts: 0 };
  return {
    ...own,
    retryOn: (own.retryOn ?? '') === '' ? DEFAULT_RETRY_ON : own.retryOn!,
    backoff: compiled.backoffBaseMs,
    retryIgnorePreviousHosts: compiled.ignorePreviousHosts,
    retryRemoteLocalities: compiled.remoteLocalities,
  };
}

/** An absent percentage is none, and shown as that. */
function fault(rule: HttpRule | undefined): ExplainedPolicy {
  const own = rule?.route.fault;
  if (rule === undefined || own === undefined) return NOTHING;
  const { delay, abort } = own;
  const value: HttpFaultInjection = {
    ...(delay !== undefined && { delay: { ...(delay.fixedDelay !== undefined && { fixedDelay: delay.fixedDelay }), percentage: { value: delay.percentage === undefined ? (delay.percent ?? 0) : (delay.percentage.value ?? 0) } } }),
    ...(abort !== undefined && { abort: { ...abort, percentage: { value: abort.percentage?.value ?? 0 } } }),
  };
  return writtenAt(fieldPlace(rule, 'fault'), value);
}

/** Either spelling as a list of `mirrors`, with the share that an absent one means. */
function mirror(rule: HttpRule | undefined): ExplainedPolicy {
  const mirrors = rule === undefined ? [] : writtenMirrors(rule);
  if (rule === undefined || mirrors.length === 0) return NOTHING;
  const place = fieldPlace(rule, rule.route.mirror === undefined ? 'mirrors' : 'mirror');
  return writtenAt(place, mirrors.map(({ destination, percent }) => ({ destination, percentage: { value: percent } })));
}

/** Those of the route, and those of its destinations by the place they stand. */
function headers(rule: HttpRule | undefined): ExplainedPolicy {
  if (rule === undefined) return NOTHING;
  const destinations = (rule.route.route ?? []).flatMap(({ destination, headers: own }, index) => (own === undefined ? [] : [{ destination, headers: own, index }]));
  const [first] = destinations;
  if (rule.route.headers === undefined && first === undefined) return NOTHING;
  const place: Place = rule.route.headers === undefined && first !== undefined ? below(rule.place, 'route', first.index, 'headers') : fieldPlace(rule, 'headers');
  const route = destinations.map(({ destination, headers: own }) => ({ destination, headers: own }));
  return writtenAt(place, { ...rule.route.headers, ...(route.length > 0 && { route }) });
}
