/** Kubernetes Pod, as far as a data plane reads it: ports by name, addresses, identity. Labels are in its metadata. */

export interface PodBody {
  readonly spec: PodSpec;
  readonly status: PodStatus;
}

export interface PodSpec {
  /** Absent in a manifest: `default`. */
  readonly serviceAccountName?: string;
  readonly nodeName?: string;
  readonly hostNetwork?: boolean;
  readonly containers: readonly PodContainer[];
}

export interface PodContainer {
  readonly name: string;
  readonly ports: readonly ContainerPort[];
}

export interface ContainerPort {
  readonly name?: string;
  readonly containerPort: number;
  /** Default TCP. */
  readonly protocol?: 'TCP' | 'UDP' | 'SCTP';
}

export interface PodStatus {
  readonly podIP?: string;
  readonly podIPs: readonly { readonly ip: string }[];
  readonly phase?: string;
}
