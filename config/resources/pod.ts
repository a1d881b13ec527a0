/** Kubernetes Pod, as far as a data plane reads it: ports by name, addresses, identity. Labels are in its metadata. */

import type { KindParser } from './kind.ts';
import { documentKind } from './kind.ts';
import type { Schema } from './schema.ts';
import { boolean, list, openObject, portNumber, text } from './schema.ts';
import type { TransportProtocol } from './service.ts';
import { transportProtocol } from './service.ts';
import { ipAddress } from './values.ts';

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
  readonly name?: string;
  readonly ports: readonly ContainerPort[];
}

export interface ContainerPort {
  readonly name?: string;
  readonly containerPort: number;
  /** Default TCP. */
  readonly protocol?: TransportProtocol;
}

export interface PodStatus {
  readonly podIP?: string;
  readonly podIPs: readonly PodAddress[];
  readonly phase?: string;
  readonly conditions?: readonly PodCondition[];
}

export interface PodAddress {
  readonly ip: string;
}

/** `Ready` with status `True`, `False` or `Unknown`, among others. */
export interface PodCondition {
  readonly type: string;
  readonly status: string;
}

const containerPort: Schema<ContainerPort> = openObject<ContainerPort>(
  { name: text, containerPort: portNumber, protocol: transportProtocol },
  { required: ['containerPort'] },
);

const container: Schema<PodContainer> = openObject<PodContainer>({ name: text, ports: list(containerPort).default([]) }, { required: ['ports'] });

const spec: Schema<PodSpec> = openObject<PodSpec>(
  { serviceAccountName: text, nodeName: text, hostNetwork: boolean, containers: list(container).default([]) },
  { required: ['containers'] },
);

const podAddress: Schema<PodAddress> = openObject<PodAddress>({ ip: ipAddress }, { required: ['ip'] });
const condition: Schema<PodCondition> = openObject<PodCondition>({ type: text, status: text }, { required: ['type', 'status'] });

const status: Schema<PodStatus> = openObject<PodStatus>(
  { podIP: ipAddress, podIPs: list(podAddress).default([]), phase: text, conditions: list(condition) },
  { required: ['podIPs'] },
);

export const pod: KindParser<PodBody> = documentKind(
  { kind: 'Pod', apiVersions: ['v1'] },
  // One written by hand, to give a workload its labels and address, needs no spec.
  openObject<PodBody>({ spec: spec.default({ containers: [] }), status: status.default({ podIPs: [] }) }, { required: ['spec', 'status'] }),
);
