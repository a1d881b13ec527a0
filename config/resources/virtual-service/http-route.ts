/** One entry of `http`: the fields, and the rules that hold in every kind of VirtualService. */

import type { Report, Schema } from '../schema.ts';
import { integer, list, object, text } from '../schema.ts';
import { destination, duration, percent } from '../values.ts';
import { corsPolicy } from './cors.ts';
import { httpDestinations } from './destinations.ts';
import { fault } from './fault.ts';
import { headers } from './headers.ts';
import { httpMatchRequest } from './match.ts';
import { delegate, directResponse, redirect, rewrite } from './redirect.ts';
import { httpRetry } from './retry.ts';
import type { HttpMirrorPolicy, HttpRoute } from './types.ts';

export const httpRoute: Schema<HttpRoute> = object<HttpRoute>(
  {
    name: text,
    match: list(httpMatchRequest),
    route: httpDestinations,
    redirect,
    directResponse,
    delegate,
    rewrite,
    timeout: duration({ minMs: 1 }),
    retries: httpRetry,
    fault,
    mirror: destination,
    mirrorPercent: integer(0, 100),
    mirrorPercentage: percent,
    mirrors: list(object<HttpMirrorPolicy>({ destination, percentage: percent }, { required: ['destination'] })),
    corsPolicy,
    headers,
  },
  { aliases: { mirror_percent: 'mirrorPercent' }, check: checkRoute },
);

function checkRoute(route: HttpRoute, report: Report): void {
  if (route.mirrorPercent !== undefined) report.deprecated(['mirrorPercent'], 'is deprecated; use mirrorPercentage.value');
  checkMirrors(route, report);
  checkPerTryTimeout(route, report);
  if (route.redirect?.prefixRewrite !== undefined) checkPrefixRewrite(route, report);
  for (const answer of ['redirect', 'directResponse'] as const) {
    if (route[answer] === undefined) continue;
    for (const field of ['fault', 'rewrite'] as const) {
      if (route[field] !== undefined) report.error([field], `cannot be combined with ${answer}: nothing is forwarded`);
    }
    for (const field of ['timeout', 'retries', 'mirror', 'mirrors'] as const) {
      if (route[field] !== undefined) report.warning([field], `has no effect beside ${answer}: nothing is forwarded`);
    }
  }
}

function checkMirrors({ mirror, mirrors = [], mirrorPercent, mirrorPercentage }: HttpRoute, report: Report): void {
  if (mirror !== undefined && mirrors.length > 0) return report.error(['mirrors'], 'cannot be combined with mirror');
  if (mirror === undefined && mirrorPercentage !== undefined) {
    report.warning(['mirrorPercentage'], mirrors.length > 0 ? 'has no effect: it is the share of mirror; give percentage to each of mirrors' : 'has no effect without mirror');
  }
  if (mirrorPercent !== undefined && mirrorPercentage !== undefined) report.warning(['mirrorPercent'], 'has no effect beside mirrorPercentage');
}

/** Envoy does not start a per-try timer that the route's would always beat. */
function checkPerTryTimeout({ timeout, retries }: HttpRoute, report: Report): void {
  const perTry = retries?.perTryTimeout;
  if (timeout === undefined || perTry === undefined || perTry < timeout) return;
  report.warning(['retries', 'perTryTimeout'], `has no effect: it is not shorter than timeout (${timeout}ms), which covers all tries`);
}

/** The prefix to replace is that of the match. */
function checkPrefixRewrite({ match = [] }: HttpRoute, report: Report): void {
  const other = match.findIndex(({ uri }) => uri?.prefix === undefined);
  if (match.length > 0 && other === -1) return;
  report.error(['redirect', 'prefixRewrite'], `needs a uri prefix in every match${other === -1 ? '' : ` (match[${other}] has none)`}`);
}
