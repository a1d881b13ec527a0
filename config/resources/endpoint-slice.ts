/** EndpointSlice (discovery.k8s.io/v1) and core Endpoints: the addresses behind a Service. */

import { isIP } from 'node:net';
import type { KindParser } from './kind.ts';
import { documentKind } from './kind.ts';
import type { Report, Schema } from './schema.ts';
import { boolean, list, object, oneName, openObject, portNumber, text } from './schema.ts';
import type { TransportProtocol } from './service.ts';
import { transportProtocol } from './service.ts';
import { withUnread } from './unread-fields.ts';
import { hostProblem, ipAddress } from './values.ts';

/** Names the Service that a slice belongs to. */
export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';

export interface EndpointSliceBody {
  readonly addressType: 'IPv4' | 'IPv6' | 'FQDN';
  readonly endpoints: readonly SliceEndpoint[];
  readonly ports: readonly EndpointPort[];
}

export interface SliceEndpoint {
  /** 1..100 addresses that are fungible; consumers use the first. */
  readonly addresses: readonly string[];
  readonly conditions?: EndpointConditions;
  readonly hostname?: string;
  readonly nodeName?: string;
  readonly zone?: string;
  readonly targetRef?: ObjectReference;
}

export interface EndpointConditions {
  /** Absent = true. */
  readonly ready?: boolean;
  readonly serving?: boolean;
  readonly terminating?: boolean;
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
  readonly protocol?: TransportProtocol;
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

const objectReference: Schema<ObjectReference> = openObject<ObjectReference>({ kind: text, namespace: text, name: text });

const endpointPort: Schema<EndpointPort> = object<EndpointPort>({ name: text, port: portNumber, protocol: transportProtocol, appProtocol: text });
const endpointPorts = list(endpointPort, { check: checkPortNames }).default([]);

const conditions: Schema<EndpointConditions> = object<EndpointConditions>({ ready: boolean, serving: boolean, terminating: boolean });

const sliceEndpoint: Schema<SliceEndpoint> = object<SliceEndpoint>(
  withUnread<SliceEndpoint>(
    { addresses: list(text, { min: 1, max: 100 }), conditions, hostname: text, nodeName: text, zone: text, targetRef: objectReference },
    ['hints', 'deprecatedTopology'],
  ),
  { required: ['addresses'] },
);

const slice: Schema<EndpointSliceBody> = object<EndpointSliceBody>(
  withUnread<EndpointSliceBody>(
    { addressType: oneName(['IPv4', 'IPv6', 'FQDN']), endpoints: list(sliceEndpoint).default([]), ports: endpointPorts },
    ['apiVersion', 'kind', 'metadata'],
  ),
  { required: ['addressType', 'endpoints', 'ports'], check: checkAddresses },
);

export const endpointSlice: KindParser<EndpointSliceBody> = documentKind(
  { kind: 'EndpointSlice', apiVersions: ['discovery.k8s.io/v1', 'discovery.k8s.io/v1beta1'] },
  slice,
  (_, metadata, report) => {
    if ((metadata.labels[SERVICE_NAME_LABEL] ?? '') === '') report.warning(['metadata'], `has no label ${SERVICE_NAME_LABEL}, so it belongs to no Service and is not used`);
  },
);

const endpointAddress: Schema<EndpointAddress> = object<EndpointAddress>({ ip: ipAddress, hostname: text, nodeName: text, targetRef: objectReference }, { required: ['ip'] });

const subset: Schema<EndpointSubset> = object<EndpointSubset>(
  { addresses: list(endpointAddress).default([]), notReadyAddresses: list(endpointAddress).default([]), ports: endpointPorts },
  { required: ['addresses', 'notReadyAddresses', 'ports'] },
);

/** Kubernetes' older form of the same; its name is the Service's. */
export const endpoints: KindParser<EndpointsBody> = documentKind(
  { kind: 'Endpoints', apiVersions: ['v1'] },
  object<EndpointsBody>(withUnread<EndpointsBody>({ subsets: list(subset).default([]) }, ['apiVersion', 'kind', 'metadata']), { required: ['subsets'] }),
);

function checkPortNames(ports: readonly EndpointPort[], report: Report): void {
  const names = new Set<string>();
  for (const [index, { name = '' }] of ports.entries()) {
    if (names.has(name)) report.error([index], name === '' ? 'needs a name: there are several ports' : `the port name ${JSON.stringify(name)} is used twice`);
    names.add(name);
  }
}

function checkAddresses({ addressType, endpoints: entries }: EndpointSliceBody, report: Report): void {
  for (const [index, { addresses }] of entries.entries()) {
    for (const [position, address] of addresses.entries()) {
      const problem = addressProblem(address, addressType);
      if (problem !== undefined) report.error(['endpoints', index, 'addresses', position], problem);
    }
  }
}

function addressProblem(address: string, type: EndpointSliceBody['addressType']): string | undefined {
  if (type === 'FQDN') return hostProblem(address, { wildcard: false, ip: false });
  const family = type === 'IPv4' ? 4 : 6;
  return isIP(address) === family ? undefined : `${JSON.stringify(address)} is not an ${type} address, which addressType says`;
}
