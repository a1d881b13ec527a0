/** HTTPMatchRequest → the conditions the data path tests per request, and the static ones decided here (istio-api.md 2.3). */

import type { StringMatch } from '../resources/messages.ts';
import type { HttpMatchRequest } from '../resources/virtual-service/types.ts';
import type { HeaderMatchConfig, RouteMatchConfig } from '../runtime/route.ts';
import type { StringMatchConfig } from '../runtime/string-match.ts';
import type { RuleMatch } from './http-rule.ts';
import type { Labels } from './labels.ts';
import { selects } from './labels.ts';
import { resolveGateway } from './names.ts';
import { compareText } from './order.ts';

/** The client a route list is made for: what static conditions are compared with. */
export interface RouteClient {
  readonly namespace: string;
  readonly labels: Labels;
  /** `mesh`, or the Gateway's `namespace/name`. */
  readonly gateway: string;
  /** Service port at a sidecar, server port at a gateway. */
  readonly port: number;
}

/** Claims of a validated JWT, as `headers` and `withoutHeaders` name them. */
const CLAIM_PREFIX = '@request.auth.claims';
/** Header names that the API reserves for the fields of the same name. */
const RESERVED_NAMES: ReadonlySet<string> = new Set(['uri', 'scheme', 'method', 'authority']);

/** Why the match can never hold for this client, in a sentence; undefined when it can. */
export function staticMismatch({ match, namespace }: RuleMatch, client: RouteClient): string | undefined {
  if (match.port !== undefined && match.port !== 0 && match.port !== client.port) return `wants port ${match.port}, this is port ${client.port}`;
  const claim = Object.keys(match.headers ?? {}).find((name) => name.startsWith(CLAIM_PREFIX));
  if (claim !== undefined) return `wants the JWT claim ${claim}, and this version validates no tokens`;
  const gateways = (match.gateways ?? []).map((gateway) => resolveGateway(gateway, namespace));
  if (gateways.length > 0) {
    const bound = client.gateway === 'mesh' ? 'a sidecar (mesh)' : `gateway ${client.gateway}`;
    return gateways.includes(client.gateway) ? undefined : `wants gateways ${gateways.join(', ')}, this is ${bound}`;
  }
  if (!selects(match.sourceLabels, client.labels)) return `wants sourceLabels ${renderLabels(match.sourceLabels)}, this workload has ${renderLabels(client.labels)}`;
  const { sourceNamespace = '' } = match;
  return sourceNamespace === '' || sourceNamespace === client.namespace ? undefined : `wants sourceNamespace ${sourceNamespace}, this workload is in ${client.namespace}`;
}

export const MATCH_ALL: RouteMatchConfig = { headers: [], query: [] };

export function routeMatch(match: HttpMatchRequest): RouteMatchConfig {
  const path = match.uri === undefined ? undefined : pathMatch(match.uri, match.ignoreUriCase ?? false);
  return {
    ...(path !== undefined && { path }),
    ...(match.method !== undefined && { method: stringMatch(match.method) }),
    ...(match.scheme !== undefined && { scheme: stringMatch(match.scheme) }),
    ...(match.authority !== undefined && { authority: stringMatch(match.authority) }),
    headers: [...headerMatches(match.headers, false), ...headerMatches(match.withoutHeaders, true)],
    query: sortedEntries(match.queryParams).map(([name, condition]) => ({ name, match: presenceMatch(condition) })),
  };
}

/** No condition left but a path of `/` or `.*`: nothing after such a route of the same VirtualService can be reached. */
export function isCatchAll({ path, method, scheme, authority, headers, query }: RouteMatchConfig): boolean {
  if (headers.length > 0 || query.length > 0 || method !== undefined || scheme !== undefined || authority !== undefined) return false;
  if (path === undefined) return true;
  return (path.kind === 'prefix' && path.value === '/') || (path.kind === 'regex' && path.value === '.*');
}

/** Exactly one of the three; `{}` is for the callers that give it a meaning. */
export function stringMatch({ exact, prefix, regex }: StringMatch): StringMatchConfig {
  if (exact !== undefined) return { kind: 'exact', value: exact };
  if (prefix !== undefined) return { kind: 'prefix', value: prefix };
  if (regex !== undefined) return { kind: 'regex', value: regex };
  return { kind: 'present' };
}

function pathMatch(uri: StringMatch, ignoreCase: boolean): StringMatchConfig | undefined {
  const match = stringMatch(uri);
  if (match.kind === 'present') return undefined;
  return ignoreCase && match.kind !== 'regex' ? { ...match, ignoreCase } : match;
}

/** `{}` and `regex: "*"`: there, whatever its value. */
function presenceMatch(condition: StringMatch): StringMatchConfig {
  return condition.regex === '*' ? { kind: 'present' } : stringMatch(condition);
}

function headerMatches(conditions: Readonly<Record<string, StringMatch>> | undefined, invert: boolean): readonly HeaderMatchConfig[] {
  // A claim that must be absent is: no token has been validated. Claims that must be there were refused before.
  const entries = sortedEntries(conditions).filter(([name]) => !RESERVED_NAMES.has(name.toLowerCase()) && !name.startsWith(CLAIM_PREFIX));
  return entries.map(([name, condition]) => ({ name: name.toLowerCase(), match: presenceMatch(condition), invert }));
}

function sortedEntries<T>(map: Readonly<Record<string, T>> | undefined): readonly (readonly [string, T])[] {
  return Object.entries(map ?? {}).sort(([a], [b]) => compareText(a, b));
}

function renderLabels(labels: Labels | undefined): string {
  const text = sortedEntries(labels).map(([key, value]) => `${key}=${value}`).join(',');
  return text === '' ? 'no labels' : text;
}
