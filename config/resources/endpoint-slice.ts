/** EndpointSlice (discovery.k8s.io/v1) and core Endpoints: the addresses behind a Service. */

export interface EndpointSliceBody {
  readonly addressType: 'IPv4' | 'IPv6' | 'FQDN';
  readonly endpoints: readonly SliceEndpoint[];
  readonly ports: readonly EndpointPort[];
}

export interface SliceEndpoint {
  /** 1..100 addresses that are fungible; consumers use the first. */
  readonly addresses: readonly string[];
  readonly conditions?: {
    /** Absent = true. */
    readonly ready?: boolean;
    readonly serving?: boolean;
    readonly terminating?: boolean;
  };
  readonly hostname?: string;
  readonly nodeName?: string;
  readonly zone?: string;
  readonly targetRef?: ObjectReference;
}

export interface ObjectReference {
  readonly kind?: string;
  readonly namespace?: string;
  readonly name?: string;
}

/** Joins a Service port by name. */
export interface EndpointPort {
  readonly name?: string;
  /** Absent on a slice: all ports. */
  readonly port?: number;
  /** Default TCP. */
  readonly protocol?: 'TCP' | 'UDP' | 'SCTP';
  readonly appProtocol?: string;
}

export interface EndpointsBody {
  readonly subsets: readonly EndpointSubset[];
}

export interface EndpointSubset {
  readonly addresses: readonly EndpointAddress[];
  readonly notReadyAddresses: readonly EndpointAddress[];
  readonly ports: readonly EndpointPort[];
}

export interface EndpointAddress {
  readonly ip: string;
  readonly hostname?: string;
  readonly nodeName?: string;
  readonly targetRef?: ObjectReference;
}
