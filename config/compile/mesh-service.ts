/** One host of the mesh and its ports, whichever resource declared it: what every later compile step works on. */

import type { Resource, ResourceSource } from '../load/types.ts';
import type { Path } from '../resources/finding.ts';
import type { Place } from './located.ts';
import type { ServiceEntrySpec } from '../resources/service-entry.ts';
import type { ServiceSpec } from '../resources/service.ts';
import type { Protocol } from './protocol.ts';
import { isDeclaredHttp, isHttp } from './protocol.ts';

export interface MeshService {
  /** Lower case: `reviews.default.svc.cluster.local`, `api.example.com`, `*.example.com`. */
  readonly host: string;
  readonly name: string;
  readonly namespace: string;
  /** Without UDP and SCTP ports. */
  readonly ports: readonly MeshPort[];
  /** Virtual IPs that a request may name as its Host. */
  readonly addresses: readonly string[];
  /** CIDR blocks of a ServiceEntry's addresses: every address in them is the service's. */
  readonly ranges?: readonly string[];
  /** How a client finds endpoints; NONE = the address the downstream asked for, DYNAMIC_DNS = the name it asked for. */
  readonly resolution: 'STATIC' | 'DNS' | 'DNS_ROUND_ROBIN' | 'NONE' | 'DYNAMIC_DNS';
  /** Kubernetes Service without cluster IP: its pods' own DNS names are hosts too. */
  readonly headless: boolean;
  /** ServiceEntry MESH_EXTERNAL: no automatic mutual TLS. */
  readonly external: boolean;
  /** ExternalName: full name of the host that this one is an alias of. */
  readonly aliasOf?: string;
  /** `trafficDistribution` or its annotation: near endpoints first, whatever happens to them; absent: all alike. */
  readonly distribution?: { readonly prefer: 'same-zone' | 'same-node'; readonly path: Path };
  /** ServiceEntry: names of which one must be in the server's certificate; never empty. */
  readonly subjectAltNames?: readonly string[];
  /** `exportTo` with the mesh default filled in. */
  readonly exportTo: readonly string[];
  readonly source: ResourceSource;
  readonly declared: DeclaredService;
}

/** What the endpoints are found from. */
export type DeclaredService =
  | { readonly kind: 'Service'; readonly spec: ServiceSpec }
  /** Entries of one namespace that share the host, oldest first. */
  | { readonly kind: 'ServiceEntry'; readonly entries: readonly Resource<ServiceEntrySpec>[] };

export interface MeshPort {
  readonly number: number;
  /** Joins EndpointSlice and WorkloadEntry ports; may be empty. */
  readonly name: string;
  readonly protocol: Protocol;
  /** Number, or name of a container port. */
  readonly target: number | string;
}

/** Where the port is written. */
export function portPlace({ source, declared }: MeshService, { number }: MeshPort): Place {
  if (declared.kind === 'Service') return { source, path: portPath((declared.spec.ports ?? []).findIndex(({ port }) => port === number)) };
  const entry = declared.entries.find(({ spec }) => spec.ports?.some((port) => port.number === number));
  return { source: entry?.source ?? source, path: portPath(entry?.spec.ports?.findIndex((port) => port.number === number) ?? -1) };
}

function portPath(index: number): Path {
  return index === -1 ? ['spec', 'ports'] : ['spec', 'ports', index];
}

/** Ports that virtual hosts are made for. */
export function httpPorts(service: MeshService): readonly MeshPort[] {
  return service.ports.filter((port) => isHttp(port.protocol));
}

/** The port meant by a Host without one: the only declared HTTP port, else the only sniffed one. */
export function onlyHttpPort(service: MeshService): number | undefined {
  const declared = service.ports.filter((port) => isDeclaredHttp(port.protocol));
  const candidates = declared.length > 0 ? declared : httpPorts(service);
  return candidates.length === 1 ? candidates[0]?.number : undefined;
}
