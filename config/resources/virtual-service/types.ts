/** VirtualService messages with Istio's own field names (istio-api.md section 2); every duration is a number of milliseconds. */

import type { Destination, PercentMessage, StringMatch } from '../messages.ts';

export interface VirtualServiceSpec {
  /** Absent or empty: a delegate. */
  readonly hosts?: readonly string[];
  /** Default `[mesh]`. */
  readonly gateways?: readonly string[];
  readonly http?: readonly HttpRoute[];
  readonly tls?: readonly TlsRoute[];
  readonly tcp?: readonly TcpRoute[];
  /** Default: the mesh's, normally `*`. */
  readonly exportTo?: readonly string[];
}

export interface HttpRoute {
  readonly name?: string;
  readonly match?: readonly HttpMatchRequest[];
  readonly route?: readonly HttpRouteDestination[];
  readonly redirect?: HttpRedirect;
  readonly directResponse?: HttpDirectResponse;
  readonly delegate?: Delegate;
  readonly rewrite?: HttpRewrite;
  /** Milliseconds. */
  readonly timeout?: number;
  readonly retries?: HttpRetry;
  readonly fault?: HttpFaultInjection;
  readonly mirror?: Destination;
  /** Deprecated spelling `mirror_percent` lands here too. Used only without `mirrorPercentage`. */
  readonly mirrorPercent?: number;
  readonly mirrorPercentage?: PercentMessage;
  readonly mirrors?: readonly HttpMirrorPolicy[];
  readonly corsPolicy?: CorsPolicy;
  readonly headers?: Headers;
}

export interface HttpMatchRequest {
  readonly name?: string;
  readonly uri?: StringMatch;
  readonly ignoreUriCase?: boolean;
  readonly scheme?: StringMatch;
  readonly method?: StringMatch;
  readonly authority?: StringMatch;
  /** Keys as written (compare in lower case). `{}` means the header is present. */
  readonly headers?: Readonly<Record<string, StringMatch>>;
  readonly withoutHeaders?: Readonly<Record<string, StringMatch>>;
  readonly queryParams?: Readonly<Record<string, StringMatch>>;
  readonly port?: number;
  readonly sourceLabels?: Readonly<Record<string, string>>;
  readonly sourceNamespace?: string;
  readonly gateways?: readonly string[];
  readonly statPrefix?: string;
}

export interface HttpRouteDestination {
  readonly destination: Destination;
  readonly weight?: number;
  readonly headers?: Headers;
}

export interface Headers {
  readonly request?: HeaderOperations;
  readonly response?: HeaderOperations;
}

export interface HeaderOperations {
  readonly set?: Readonly<Record<string, string>>;
  readonly add?: Readonly<Record<string, string>>;
  readonly remove?: readonly string[];
}

export interface HttpRedirect {
  readonly uri?: string;
  readonly prefixRewrite?: string;
  readonly authority?: string;
  readonly scheme?: string;
  /** With `derivePort` a oneof. */
  readonly port?: number;
  readonly derivePort?: 'FROM_PROTOCOL_DEFAULT' | 'FROM_REQUEST_PORT';
  /** Default 301. */
  readonly redirectCode?: number;
}

export interface HttpDirectResponse {
  readonly status: number;
  /** `string` or `bytes` (base64). */
  readonly body?: { readonly string?: string; readonly bytes?: string };
}

export interface Delegate {
  readonly name: string;
  /** Default: the root VirtualService's namespace. */
  readonly namespace?: string;
}

export interface HttpRewrite {
  readonly uri?: string;
  readonly authority?: string;
  readonly uriRegexRewrite?: { readonly match: string; readonly rewrite: string };
}

export interface HttpRetry {
  /** Default 0 where the message is present. */
  readonly attempts?: number;
  /** Milliseconds. */
  readonly perTryTimeout?: number;
  readonly retryOn?: string;
  readonly retryRemoteLocalities?: boolean;
  readonly retryIgnorePreviousHosts?: boolean;
  /** Milliseconds. */
  readonly backoff?: number;
}

export interface HttpFaultInjection {
  readonly delay?: FaultDelay;
  readonly abort?: FaultAbort;
}

export interface FaultDelay {
  /** Milliseconds. */
  readonly fixedDelay?: number;
  readonly percentage?: PercentMessage;
  /** Deprecated; used only without `percentage`. */
  readonly percent?: number;
}

export interface FaultAbort {
  readonly httpStatus?: number;
  readonly grpcStatus?: string;
  readonly percentage?: PercentMessage;
}

export interface HttpMirrorPolicy {
  readonly destination: Destination;
  readonly percentage?: PercentMessage;
}

export interface CorsPolicy {
  readonly allowOrigins?: readonly StringMatch[];
  /** Deprecated; used only without `allowOrigins`. */
  readonly allowOrigin?: readonly string[];
  readonly allowMethods?: readonly string[];
  readonly allowHeaders?: readonly string[];
  readonly exposeHeaders?: readonly string[];
  /** Milliseconds; always whole seconds. */
  readonly maxAge?: number;
  readonly allowCredentials?: boolean;
  /** UNSPECIFIED means FORWARD. */
  readonly unmatchedPreflights?: 'UNSPECIFIED' | 'FORWARD' | 'IGNORE';
}

export interface TlsRoute {
  readonly match: readonly TlsMatchAttributes[];
  readonly route?: readonly RouteDestination[];
}

export interface TlsMatchAttributes {
  readonly sniHosts: readonly string[];
  readonly destinationSubnets?: readonly string[];
  readonly port?: number;
  readonly sourceLabels?: Readonly<Record<string, string>>;
  readonly sourceNamespace?: string;
  readonly gateways?: readonly string[];
}

export interface TcpRoute {
  readonly match?: readonly L4MatchAttributes[];
  readonly route?: readonly RouteDestination[];
}

export interface L4MatchAttributes {
  readonly destinationSubnets?: readonly string[];
  /** Accepted, not enforced (as in Istio). */
  readonly sourceSubnet?: string;
  readonly port?: number;
  readonly sourceLabels?: Readonly<Record<string, string>>;
  readonly sourceNamespace?: string;
  readonly gateways?: readonly string[];
}

export interface RouteDestination {
  readonly destination: Destination;
  readonly weight?: number;
}
