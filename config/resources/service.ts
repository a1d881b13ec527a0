/** Kubernetes Service, as far as routing reads it (istio-api.md section 7). */

export interface ServiceSpec {
  /** Default ClusterIP. */
  readonly type?: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName';
  /** IP, `None` (headless) or empty; absent in a manifest that was never applied. */
  readonly clusterIP?: string;
  readonly clusterIPs?: readonly string[];
  readonly externalIPs?: readonly string[];
  readonly externalName?: string;
  /** Labels of the pods behind it; absent: endpoints are kept by someone else. */
  readonly selector?: Readonly<Record<string, string>>;
  readonly ports?: readonly ServicePortSpec[];
  readonly publishNotReadyAddresses?: boolean;
  /** Default Cluster. */
  readonly internalTrafficPolicy?: 'Cluster' | 'Local';
  readonly trafficDistribution?: string;
}

export interface ServicePortSpec {
  /** Absent or empty only on a service with one port. */
  readonly name?: string;
  /** Default TCP. */
  readonly protocol?: 'TCP' | 'UDP' | 'SCTP';
  readonly appProtocol?: string;
  /** 1..65535. */
  readonly port: number;
  /** Number or container port name; default `port`. */
  readonly targetPort?: number | string;
  readonly nodePort?: number;
}
