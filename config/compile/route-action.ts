/** What a matched route does: forward by weight, redirect, or answer itself (istio-api.md 2.4–2.7). */

import type { Destination } from '../resources/messages.ts';
import type { HttpRedirect, HttpRoute, HttpRouteDestination } from '../resources/virtual-service/types.ts';
import type { DestinationConfig, DirectResponseAction, ForwardAction, RedirectAction, RewriteConfig, RouteActionConfig, RouteMatchConfig } from '../runtime/route.ts';
import { headersConfig } from './route-headers.ts';
import type { HttpRule } from './http-rule.ts';
import type { MeshService } from './mesh-service.ts';
import { outboundCluster, resolveHost } from './names.ts';

/** How destinations are turned into cluster names. */
export interface DestinationContext {
  readonly clusterDomain: string;
  /** Port a destination without one means, unless its service has only one. */
  readonly listenerPort: number;
  /** Services this workload may call, by full host name. */
  service(host: string): MeshService | undefined;
}

export function routeAction(rule: HttpRule, match: RouteMatchConfig, context: DestinationContext): RouteActionConfig {
  const { redirect, directResponse } = rule.route;
  if (redirect !== undefined) return redirectAction(redirect, match);
  if (directResponse !== undefined) return directAction(directResponse);
  return forwardAction(rule.route, rule.namespace, match, context);
}

/** Resolves a destination to its cluster. An ExternalName alias leads to the cluster of the host it stands for. */
export function destinationCluster(destination: Destination, namespace: string, context: DestinationContext): Omit<DestinationConfig, 'weight' | 'headers'> {
  const host = resolveHost(destination.host, namespace, context.clusterDomain);
  const service = context.service(host);
  const onlyPort = service?.ports.length === 1 ? service.ports[0]?.number : undefined;
  const port = destination.port?.number ?? onlyPort ?? context.listenerPort;
  const subset = destination.subset ?? '';
  return { cluster: outboundCluster(port, subset, service?.aliasOf ?? host), host, port, subset };
}

function forwardAction(route: HttpRoute, namespace: string, match: RouteMatchConfig, context: DestinationContext): ForwardAction {
  const rewrite = route.rewrite === undefined ? undefined : rewriteConfig(route.rewrite, match);
  return {
    kind: 'forward',
    destinations: (route.route ?? []).map((entry, _, all) => destinationConfig(entry, all.length === 1 ? 100 : (entry.weight ?? 0), namespace, context)),
    ...(rewrite !== undefined && { rewrite }),
  };
}

/** A single destination takes everything; of several, one with weight 0 takes nothing but stays in the list, which decides the order of header rules. */
function destinationConfig(entry: HttpRouteDestination, weight: number, namespace: string, context: DestinationContext): DestinationConfig {
  const headers = entry.headers === undefined ? undefined : headersConfig(entry.headers);
  return { ...destinationCluster(entry.destination, namespace, context), weight, ...(headers !== undefined && { headers }) };
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
