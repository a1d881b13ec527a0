/** What a matched route does: forward by weight, redirect, or answer itself (istio-api.md 2.4–2.7). */

import type { HttpRedirect, HttpRoute, HttpRouteDestination } from '../resources/virtual-service/types.ts';
import type { DestinationConfig, DirectResponseAction, ForwardAction, RedirectAction, RewriteConfig, RouteActionConfig, RouteMatchConfig } from '../runtime/route.ts';
import { headersConfig } from './route-headers.ts';
import type { ServiceLookup } from './destination.ts';
import { concreteService, destinationCluster } from './destination.ts';
import type { HashPolicies } from './hash-policy.ts';
import type { HttpRule } from './http-rule.ts';
import { mirrorConfigs } from './mirrors.ts';

/** How destinations are turned into clusters, and what decides the host in them. */
export interface DestinationContext extends ServiceLookup {
  readonly hashPolicies: HashPolicies;
}

export function routeAction(rule: HttpRule, match: RouteMatchConfig, context: DestinationContext): RouteActionConfig {
  const { redirect, directResponse } = rule.route;
  if (redirect !== undefined) return redirectAction(redirect, match);
  if (directResponse !== undefined) return directAction(directResponse);
  return forwardAction(rule, match, context);
}

function forwardAction(rule: HttpRule, match: RouteMatchConfig, context: DestinationContext): ForwardAction {
  const { route = [], rewrite: writtenRewrite } = rule.route;
  const rewrite = writtenRewrite === undefined ? undefined : rewriteConfig(writtenRewrite, match);
  const mirrors = mirrorConfigs(rule, context);
  return {
    kind: 'forward',
    destinations: route.map((entry) => destinationConfig(entry, route.length === 1 ? 100 : (entry.weight ?? 0), rule.namespace, context)),
    ...(mirrors.length > 0 && { mirrors }),
    ...(rewrite !== undefined && { rewrite }),
  };
}

/** A single destination takes everything; of several, one with weight 0 takes nothing but stays in the list, which decides the order of header rules. */
function destinationConfig(entry: HttpRouteDestination, weight: number, namespace: string, context: DestinationContext): DestinationConfig {
  const target = destinationCluster(entry.destination, namespace, context);
  const headers = entry.headers === undefined ? undefined : headersConfig(entry.headers);
  const service = concreteService(target.host, context);
  const hashPolicy = service && context.hashPolicies.ofDestination(service, { ...target, portWritten: entry.destination.port !== undefined });
  return { ...target, weight, ...(headers !== undefined && { headers }), ...(hashPolicy !== undefined && { hashPolicy }) };
}

function rewriteConfig(rewrite: NonNullable<HttpRoute['rewrite']>, match: RouteMatchConfig): RewriteConfig {
  const { uri, uriRegexRewrite, authority } = rewrite;
  return {
    ...(uri !== undefined && uri !== '' && { uri: replacement(uri, match) }),
    ...(uriRegexRewrite !== undefined && { regex: { match: uriRegexRewrite.match, substitution: uriRegexRewrite.rewrite } }),
    ...(authority !== undefined && authority !== '' && { authority }),
  };
}

/** A matched prefix is replaced alone, no match counts as the prefix `/`; after an exact or regex match the whole path goes. */
function replacement(to: string, { path }: RouteMatchConfig): NonNullable<RewriteConfig['uri']> {
  if (path === undefined) return { kind: 'prefix', from: '/', to };
  return path.kind === 'prefix' ? { kind: 'prefix', from: path.value, to } : { kind: 'path', from: path.kind === 'exact' ? path.value : '', to };
}

function redirectAction(redirect: HttpRedirect, match: RouteMatchConfig): RedirectAction {
  const { uri, prefixRewrite, authority, scheme, port, derivePort, redirectCode } = redirect;
  const writtenPort = derivePort === 'FROM_REQUEST_PORT' ? 'request' : port;
  return {
    kind: 'redirect',
    // 0 is what the API's own default unmarshals to.
    status: redirectCode === undefined || redirectCode === 0 ? 301 : redirectCode,
    ...(scheme !== undefined && scheme !== '' && { scheme }),
    ...(authority !== undefined && authority !== '' && { authority }),
    ...(writtenPort !== undefined && writtenPort !== 0 && { port: writtenPort }),
    ...redirectPath(uri, prefixRewrite, match),
  };
}

/** `uri` replaces the whole path whatever was matched; `prefixRewrite` only the matched prefix. */
function redirectPath(uri: string | undefined, prefixRewrite: string | undefined, match: RouteMatchConfig): Pick<RedirectAction, 'uri'> {
  if (uri !== undefined && uri !== '') return { uri: { kind: 'path', from: '', to: uri } };
  return prefixRewrite === undefined ? {} : { uri: replacement(prefixRewrite, match) };
}

function directAction({ status, body }: NonNullable<HttpRoute['directResponse']>): DirectResponseAction {
  if (body?.bytes !== undefined) return { kind: 'direct', status, body: body.bytes, encoding: 'base64' };
  return body?.string === undefined ? { kind: 'direct', status } : { kind: 'direct', status, body: body.string, encoding: 'utf8' };
}
