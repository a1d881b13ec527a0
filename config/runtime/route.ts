/** Virtual hosts, routes, matches and actions: what VirtualService `http` and plain services compile to. */

import type { FilterSpec } from './filter-spec.ts';
import type { Origin } from './origin.ts';
import type { RetryConfig } from './retry.ts';
import type { StringMatchConfig } from './string-match.ts';

export interface RouteTableConfig {
  /** Envoy's route configuration name: the port for outbound (`9080`), `http.8080` at a gateway, `inbound|9080||`. */
  readonly name: string;
  readonly virtualHosts: readonly VirtualHostConfig[];
}

export interface VirtualHostConfig {
  /** `reviews.default.svc.cluster.local:9080`, `allow_any`, `block_all`, `inbound|http|9080`. Unique in its table. */
  readonly name: string;
  /** Lower-case host names without port: exact, `*.suffix`, or `*`. A port in Host is ignored when matching. */
  readonly domains: readonly string[];
  /** First match wins. */
  readonly routes: readonly RouteConfig[];
  /** The VirtualService (or Service) the routes come from. */
  readonly origin?: Origin;
  /** The VirtualService that owns this host as `namespace/name`, or null where plain service routing applies. */
  readonly virtualService: string | null;
  /** Routes left out because a static condition (port, sourceLabels, gateways …) excludes this workload; for `explain`. */
  readonly skipped?: readonly { readonly route: string; readonly reason: string; readonly origin: Origin }[];
  /** Gateway `tls.httpsRedirect`: every plain-text request to this host is answered 301 to https. */
  readonly requireTls?: boolean;
  /** Sidecar outbound: the port meant when a request names one of these hosts without a port (the service's only HTTP port). */
  readonly portless?: number;
}

export interface HeaderMatchConfig {
  /** Lower-case header name. */
  readonly name: string;
  readonly match: StringMatchConfig;
  /** withoutHeaders: the condition must not hold; a missing header then counts as the empty string. */
  readonly invert: boolean;
}

export interface RouteMatchConfig {
  /** On the normalised path without query. Absent: any path. */
  readonly path?: StringMatchConfig;
  readonly method?: StringMatchConfig;
  readonly scheme?: StringMatchConfig;
  /** On Host/:authority as sent, port included. */
  readonly authority?: StringMatchConfig;
  readonly headers: readonly HeaderMatchConfig[];
  /** On the first value of the parameter, undecoded. */
  readonly query: readonly { readonly name: string; readonly match: StringMatchConfig }[];
}

export interface RouteConfig {
  /** %ROUTE_NAME%: the http route's name (joined `name.match`), else `default`, `allow_any`, `block_all`. */
  readonly name: string;
  readonly match: RouteMatchConfig;
  readonly action: RouteActionConfig;
  /** Route level `headers`; applied to forwarded, redirected and direct answers. */
  readonly headers?: HeadersConfig;
  /** Whole-request limit, milliseconds; absent = none (Istio's default). */
  readonly timeoutMs?: number;
  /** Absent: Istio's default policy for outbound and gateway routes (DEFAULT_RETRY in retry.ts); null: no retries. */
  readonly retry?: RetryConfig | null;
  /** Filters of this route only, in registry order (cors …). */
  readonly filters: readonly FilterSpec[];
  /** Index of the http route in its VirtualService; -1 for a generated route. */
  readonly index: number;
  /** First line of the http route in its file; absent for a generated route without a resource. */
  readonly origin?: Origin;
  /** The VirtualService this route belongs to as `namespace/name` (the delegating one, where it was delegated); absent for a generated route. */
  readonly virtualService?: string;
  /** Origins of single settings for `explain`, keyed by its policy names (`timeout`, `rewrite`, `cors`, `headers` …). */
  readonly origins?: Readonly<Record<string, Origin>>;
}

export type RouteActionConfig = ForwardAction | RedirectAction | DirectResponseAction;

export interface ForwardAction {
  readonly kind: 'forward';
  /** At least one; with one, its weight is ignored. */
  readonly destinations: readonly DestinationConfig[];
  /** Copies of the request go there too; their answers are discarded. */
  readonly mirrors?: readonly MirrorConfig[];
  readonly rewrite?: RewriteConfig;
}

export interface DestinationConfig {
  /** Name of a cluster; may be unknown (then 503 NC). */
  readonly cluster: string;
  readonly weight: number;
  readonly host: string;
  readonly port: number;
  readonly subset: string;
  readonly headers?: HeadersConfig;
  /** Absent: the cluster's balancer needs no hash, or takes a random host. */
  readonly hashPolicy?: HashPolicyConfig;
}

/** VirtualService `mirror` and `mirrors`. */
export interface MirrorConfig {
  /** Name of a cluster; an unknown one is skipped silently, as in Envoy. */
  readonly cluster: string;
  /** 0..100, in steps of 0.0001. */
  readonly percent: number;
  readonly host: string;
  readonly port: number;
  readonly subset: string;
  readonly origin?: Origin;
}

/** DestinationRule `loadBalancer.consistentHash`: what of a request decides the host. */
export type HashPolicyConfig =
  | { readonly kind: 'header'; /** Lower case. */ readonly name: string }
  | { readonly kind: 'cookie'; readonly name: string; readonly path?: string; /** Milliseconds, 0 = session cookie; absent: no cookie is generated. */ readonly ttlMs?: number; readonly attributes: readonly (readonly [name: string, value: string])[] }
  | { readonly kind: 'source-ip' }
  | { readonly kind: 'query'; readonly name: string };

export interface RewriteConfig {
  /** Replaces the matched prefix (prefix match, or none = `/`) or the whole path (exact and regex match). */
  readonly uri?: { readonly kind: 'prefix' | 'path'; readonly from: string; readonly to: string };
  /** RE2 search on the path without query; all matches replaced; `\1`…`\9` groups, `\0` the whole match. */
  readonly regex?: { readonly match: string; readonly substitution: string };
  /** Replaces Host/:authority upstream. */
  readonly authority?: string;
}

export interface RedirectAction {
  readonly kind: 'redirect';
  readonly status: number;
  readonly scheme?: string;
  readonly authority?: string;
  /** Number: write it; `request`: the listener's port. Default ports (80 http, 443 https) are never written. */
  readonly port?: number | 'request';
  /** `path` replaces the whole path; `prefix` only the matched prefix. */
  readonly uri?: { readonly kind: 'prefix' | 'path'; readonly from: string; readonly to: string };
}

export interface DirectResponseAction {
  readonly kind: 'direct';
  readonly status: number;
  /** Text of the body; base64 when `encoding` says so. */
  readonly body?: string;
  readonly encoding?: 'utf8' | 'base64';
}

/** Removals first, then set, then add, each in key order. Names are lower case; values may hold %OPERATORS%. */
export interface HeaderOpsConfig {
  readonly remove: readonly string[];
  readonly set: readonly (readonly [name: string, value: string])[];
  readonly add: readonly (readonly [name: string, value: string])[];
}

export interface HeadersConfig {
  readonly request?: HeaderOpsConfig;
  readonly response?: HeaderOpsConfig;
  /** `host` or `:authority` written in request set/add: rewrites the authority. */
  readonly authority?: string;
}
