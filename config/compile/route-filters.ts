/** Filters of one route: what its VirtualService asks for by field, as the policy that the filter declares. */

import type { CorsPolicy } from '../resources/virtual-service/types.ts';
import type { FilterSpec } from '../runtime/filter-spec.ts';
import type { StringMatchConfig } from '../runtime/string-match.ts';
import { faultPolicy } from './fault.ts';
import type { HttpRule } from './http-rule.ts';
import { fieldOrigin } from './http-rule.ts';
import { stringMatch } from './route-match.ts';

/** In registry order. */
export function routeFilters(rule: HttpRule): readonly FilterSpec[] {
  const { corsPolicy, fault } = rule.route;
  const faults = fault && faultPolicy(fault);
  return [
    ...(faults === undefined ? [] : [{ name: 'fault', policy: faults, origin: fieldOrigin(rule, 'fault') }]),
    ...(corsPolicy === undefined ? [] : [{ name: 'cors', policy: corsFilterPolicy(corsPolicy), origin: fieldOrigin(rule, 'corsPolicy') }]),
  ];
}

/** Policy of the `cors` filter. */
interface CorsFilterPolicy {
  readonly allowOrigins: readonly StringMatchConfig[];
  /** Lists are joined with `,`, as they go into the header. */
  readonly allowMethods?: string;
  readonly allowHeaders?: string;
  readonly exposeHeaders?: string;
  /** Whole seconds. */
  readonly maxAge?: string;
  readonly allowCredentials?: boolean;
  readonly unmatchedPreflights: 'FORWARD' | 'IGNORE';
}

function corsFilterPolicy(cors: CorsPolicy): CorsFilterPolicy {
  const { allowMethods, allowHeaders, exposeHeaders, maxAge, allowCredentials } = cors;
  const allowOrigins = cors.allowOrigins?.map(stringMatch) ?? cors.allowOrigin?.map((value) => ({ kind: 'exact', value }) as const) ?? [];
  return {
    allowOrigins,
    ...(isGiven(allowMethods) && { allowMethods: allowMethods.join(',') }),
    ...(isGiven(allowHeaders) && { allowHeaders: allowHeaders.join(',') }),
    ...(isGiven(exposeHeaders) && { exposeHeaders: exposeHeaders.join(',') }),
    ...(maxAge !== undefined && { maxAge: String(Math.trunc(maxAge / 1000)) }),
    ...(allowCredentials !== undefined && { allowCredentials }),
    unmatchedPreflights: cors.unmatchedPreflights === 'IGNORE' ? 'IGNORE' : 'FORWARD',
  };
}

function isGiven(list: readonly string[] | undefined): list is readonly string[] {
  return list !== undefined && list.length > 0;
}
