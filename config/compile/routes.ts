/** The routes of a VirtualService for one client and port, in order, up to the first that matches everything. */

import type { HttpRoute } from '../resources/virtual-service/types.ts';
import type { Origin } from '../runtime/origin.ts';
import type { RetryConfig } from '../runtime/retry.ts';
import type { ForwardAction, RouteConfig } from '../runtime/route.ts';
import type { HttpRule, RuleMatch, SkippedRoute } from './http-rule.ts';
import { fieldOrigin } from './http-rule.ts';
import { originAt } from './located.ts';
import type { DefaultRetries } from './retry.ts';
import { retryConfig } from './retry.ts';
import type { DestinationContext } from './route-action.ts';
import { routeAction } from './route-action.ts';
import { routeFilters } from './route-filters.ts';
import { headersConfig } from './route-headers.ts';
import type { RouteClient } from './route-match.ts';
import { isCatchAll, MATCH_ALL, routeMatch, staticMismatch } from './route-match.ts';
import type { CompileTrace } from './trace.ts';
import type { PreparedVirtualService } from './virtual-services.ts';

export interface CompiledRoutes {
  /** Empty: for this client it is as if the VirtualService did not exist. */
  readonly routes: readonly RouteConfig[];
  readonly skipped: readonly SkippedRoute[];
}

export interface RouteContext {
  readonly client: RouteClient;
  readonly destinations: DestinationContext;
  readonly retries: DefaultRetries;
  readonly trace: CompileTrace | undefined;
}

export function compileRoutes(virtualService: PreparedVirtualService, context: RouteContext): CompiledRoutes {
  const routes: RouteConfig[] = [];
  const skipped: SkippedRoute[] = [...virtualService.dropped];
  let last: string | undefined;
  for (const { rule, match } of alternatives(virtualService.rules)) {
    const label = match?.label ?? rule.label;
    const place = match?.place ?? rule.place;
    const reason = last === undefined ? match && staticMismatch(match, context.client) : `comes after ${last}, which matches every request`;
    if (reason !== undefined) {
      skipped.push({ route: label, reason, origin: originAt(place) });
      continue;
    }
    const route = compileRoute(virtualService.key, rule, match, context);
    context.trace?.routes.set(route, { rule, label: rule.matches.length > 1 ? label : rule.label });
    routes.push(route);
    if (isCatchAll(route.match)) last = label;
  }
  return { routes, skipped };
}

/** Matches are ORed, so each becomes a route of its own. */
function* alternatives(rules: readonly HttpRule[]): Generator<{ readonly rule: HttpRule; readonly match: RuleMatch | undefined }> {
  for (const rule of rules) {
    if (rule.matches.length === 0) yield { rule, match: undefined };
    for (const match of rule.matches) yield { rule, match };
  }
}

function compileRoute(virtualService: string, rule: HttpRule, ruleMatch: RuleMatch | undefined, { destinations, retries }: RouteContext): RouteConfig {
  const match = ruleMatch === undefined ? MATCH_ALL : routeMatch(ruleMatch.match);
  const { timeout } = rule.route;
  const headers = rule.route.headers === undefined ? undefined : headersConfig(rule.route.headers);
  const action = routeAction(rule, match, destinations);
  const retry = action.kind === 'forward' ? routeRetry(rule, action, retries) : undefined;
  const origins = policyOrigins(rule);
  return {
    name: routeName(rule.route.name ?? '', ruleMatch?.match.name ?? ''),
    match,
    action,
    ...(headers !== undefined && { headers }),
    ...(timeout !== undefined && timeout > 0 && { timeoutMs: timeout }),
    ...(retry !== undefined && { retry }),
    filters: routeFilters(rule),
    index: rule.index,
    origin: originAt(rule.place),
    virtualService,
    ...(origins !== undefined && { origins }),
  };
}

/** With several destinations Istio asks for another host whatever their balancers are. */
function routeRetry(rule: HttpRule, { destinations }: ForwardAction, defaults: DefaultRetries): RetryConfig | null | undefined {
  const sticky = destinations.length === 1 && destinations[0]?.hashPolicy !== undefined;
  const written = rule.route.retries;
  return written === undefined ? defaults.outbound(sticky) : retryConfig(written, fieldOrigin(rule, 'retries'), sticky);
}

function routeName(route: string, match: string): string {
  return match === '' ? route : `${route}.${match}`;
}

/** Policy names of `explain` and the fields they come from. */
const POLICY_FIELDS: readonly (readonly [policy: string, field: keyof HttpRoute])[] = [
  ['timeout', 'timeout'],
  ['retries', 'retries'],
  ['fault', 'fault'],
  ['mirror', 'mirror'],
  ['mirror', 'mirrors'],
  ['cors', 'corsPolicy'],
  ['headers', 'headers'],
  ['rewrite', 'rewrite'],
];

function policyOrigins(rule: HttpRule): Readonly<Record<string, Origin>> | undefined {
  const origins: Record<string, Origin> = {};
  for (const [policy, field] of POLICY_FIELDS) {
    if (rule.route[field] !== undefined) origins[policy] = fieldOrigin(rule, field);
  }
  return Object.keys(origins).length === 0 ? undefined : origins;
}
