/** One configured upstream address with the facts balancing and telemetry need. */

/** Identity of a workload as Istio's standard metrics name it; absent members print `unknown`. */
export interface WorkloadConfig {
  readonly name?: string;
  readonly namespace?: string;
  readonly canonicalService?: string;
  readonly canonicalRevision?: string;
  readonly app?: string;
  readonly version?: string;
  readonly serviceAccount?: string;
  readonly cluster?: string;
}

export interface EndpointConfig {
  /** IP address, or `unix:///path`, `unix://@name` with port 0; a host name only in DNS clusters. */
  readonly address: string;
  readonly port: number;
  /** Load-balancing weight, at least 1. */
  readonly weight: number;
  /** `region/zone/subzone`, empty where unknown. */
  readonly locality: string;
  /** 0, the preferred level, where absent (locality failover; levels without endpoints are compacted away). */
  readonly priority?: number;
  /** Share of this endpoint's locality among those of its priority; present where `localityWeighted`. */
  readonly localityWeight?: number;
  readonly workload: WorkloadConfig;
  /** True when the endpoint's workload has a sidecar that accepts mutual TLS (`security.istio.io/tlsMode: istio`). */
  readonly tlsMode: 'istio' | 'disabled';
  /** `spiffe://…` of the workload, what its certificate is expected to say; absent where its service account is unknown. */
  readonly identity?: string;
}
