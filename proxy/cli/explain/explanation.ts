/** What `outrider explain --json` prints: the whole decision about one request. Types only. */

export interface Explanation {
  readonly request: { readonly method: string; readonly authority: string; readonly path: string; readonly scheme: string };
  readonly workload: { readonly mode: 'sidecar' | 'gateway'; readonly namespace: string; readonly name: string };
  /** Null where nothing listens on the port asked for. */
  readonly listener: { readonly name: string; readonly address: string; readonly port: number; readonly source: Source | null } | null;
  /** Who takes the connection; present at gateway listeners with TLS or TCP servers. */
  readonly connection?: ExplainedConnection;
  /** Port the request is meant for, and how that is known. */
  readonly destinationPort: { readonly port: number; readonly because: string } | null;
  readonly routeTable: string | null;
  readonly virtualHost: { readonly name: string; readonly domain: string; readonly source: Source | null } | null;
  /** `namespace/name`; null where plain service routing applies or no virtual host answers. */
  readonly virtualService: string | null;
  /** Null where no route matches. Index -1 and name `default`: generated for a service. */
  readonly route: { readonly index: number; readonly name: string; readonly file: string | null; readonly line: number | null } | null;
  readonly destinations: readonly ExplainedDestination[];
  /** Where the proxy itself answers; null where the answer is the upstream's. */
  readonly response: ExplainedResponse | null;
  /** In the order tried, up to the one that matched. */
  readonly tried: readonly TriedRoute[];
  /** Routes that cannot apply to this workload at all. */
  readonly skipped: readonly { readonly route: string; readonly reason: string; readonly source: Source }[];
  /** What the upstream gets to see, where the request is forwarded. */
  readonly upstreamRequest: { readonly path: string; readonly authority: string } | null;
  readonly policies: Readonly<Record<PolicyName, ExplainedPolicy>>;
}

export interface ExplainedConnection {
  readonly transport: 'tls' | 'plain';
  /** SNI: the URL's host, where that is a name. */
  readonly serverName: string | null;
  /** Null where none matches: the connection is closed. */
  readonly filterChain: { readonly name: string; readonly source: Source | null } | null;
  /** Null where TLS is not terminated. */
  readonly tls: {
    readonly mode: string;
    readonly certificates: readonly ExplainedCertificate[];
    readonly clientCertificate: 'none' | 'optional' | 'required';
    /** What client certificates are verified with. */
    readonly authorities?: ExplainedCertificate;
    readonly subjectAltNames?: readonly string[];
    readonly minVersion: string;
    readonly maxVersion: string;
    readonly alpn: readonly string[];
    readonly source: Source | null;
  } | null;
}

export interface ExplainedCertificate {
  /** `kubernetes://NAMESPACE/NAME`, a file, or `--certs`. */
  readonly from: string;
  /** The Secret or ConfigMap. */
  readonly source: Source | null;
  /** The snapshot does not have it: handshakes fail. */
  readonly missing?: true;
}

/** Names of the resource's own words. */
export type PolicyName = 'timeout' | 'retries' | 'fault' | 'mirror' | 'cors' | 'headers' | 'rewrite' | 'loadBalancer' | 'connectionPool' | 'outlierDetection' | 'tls';

export interface Source {
  readonly resource: string;
  readonly file: string;
  readonly line: number;
}

export interface ExplainedPolicy {
  /** In the words of the Istio field, durations as text; null where nothing applies. */
  readonly value: unknown;
  readonly origin: Source | 'default';
  /** Where in the origin's resource: `spec.subsets[0].trafficPolicy.outlierDetection`. */
  readonly path?: string;
  /** Members that come from elsewhere, by their path in `value`: `tcp.connectTimeout`. */
  readonly origins?: Readonly<Record<string, Source | 'default'>>;
  /** Present where this version does not act on it (or on a part of it). */
  readonly notEnforced?: string;
}

export interface ExplainedDestination {
  readonly host: string;
  readonly port: number;
  readonly subset: string;
  readonly weight: number;
  readonly cluster: string;
  /** `10.0.0.1:9080`; a name where DNS decides. */
  readonly endpoints: readonly string[];
  /** Who runs at each endpoint, as far as known; same order. */
  readonly workloads: readonly string[];
  /** Where each endpoint is, same order; present where they are not all in one place (or of unknown place). */
  readonly localities?: readonly string[];
  /** 0 is preferred; the others get what it cannot take. Same order; present where they differ. */
  readonly priorities?: readonly number[];
  /** Share of each endpoint's locality among those of its priority; same order. Present where localities have shares. */
  readonly localityWeights?: readonly number[];
  /** Automatic mutual TLS: which endpoints get it, and why others do not; same order. Present where it is decided by endpoint. */
  readonly tls?: readonly string[];
  readonly discovery: string | null;
  /** Of several destinations: those of its cluster's policies that are not as in the explanation's `policies`. */
  readonly policies?: Readonly<Partial<Record<PolicyName, ExplainedPolicy>>>;
  /** What the proxy answers when this destination is picked and cannot be reached. */
  readonly failure: ExplainedResponse | null;
}

export interface ExplainedResponse {
  readonly status: number;
  readonly flag: string;
  readonly details: string;
  readonly location?: string;
  readonly body?: string;
  /** To a gRPC call, beside status 200. */
  readonly grpcStatus?: number;
  readonly grpcMessage?: string;
}

export interface TriedRoute {
  /** The route's name, else its place in the VirtualService. */
  readonly route: string;
  /** `http[0]`, `http[0].match[1]`; null for a generated route. */
  readonly place: string | null;
  readonly matched: boolean;
  readonly failed?: string;
  readonly index: number;
  readonly source: Source | null;
}
