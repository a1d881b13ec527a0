/** Every Service and ServiceEntry as mesh services, oldest first, with the ports and hosts Istio's registry would show. */

import { isIP } from 'node:net';
import type { Resource, Snapshot } from '../load/types.ts';
import type { ServiceEntrySpec } from '../resources/service-entry.ts';
import type { ServicePortSpec, ServiceSpec } from '../resources/service.ts';
import type { MeshSettings } from './mesh.ts';
import type { MeshPort, MeshService } from './mesh-service.ts';
import { kubernetesHost } from './names.ts';
import { oldestFirst } from './order.ts';
import { servicePortProtocol, writtenProtocol } from './protocol.ts';

const EXPORT_TO_ANNOTATION = 'networking.istio.io/exportTo';
const DISTRIBUTION_ANNOTATION = 'networking.istio.io/traffic-distribution';

/** Kubernetes Services first, so that one wins over a ServiceEntry with its host; then by age. */
export function meshServices(snapshot: Snapshot, mesh: MeshSettings, clusterDomain: string): readonly MeshService[] {
  const services = oldestFirst(snapshot.services).map((service) => kubernetesService(service, mesh, clusterDomain));
  const entries = entryServices(oldestFirst(snapshot.serviceEntries), mesh);
  const decorated = new Map(entries.filter(({ subjectAltNames }) => subjectAltNames !== undefined).map((entry) => [entry.host, entry]));
  return [...services.map((service) => decorate(service, decorated.get(service.host))), ...entries];
}

/** All that a ServiceEntry can add to a Kubernetes Service of its host. */
function decorate(service: MeshService, entry: MeshService | undefined): MeshService {
  return entry?.subjectAltNames === undefined ? service : { ...service, subjectAltNames: entry.subjectAltNames };
}

/** A resource that a reload did not change is the same object, and then so is its service. */
const knownServices = new WeakMap<Resource<ServiceSpec>, { readonly exportTo: readonly string[]; readonly clusterDomain: string; readonly service: MeshService }>();

function kubernetesService(resource: Resource<ServiceSpec>, mesh: MeshSettings, clusterDomain: string): MeshService {
  const exportTo = mesh.serviceExportTo;
  const known = knownServices.get(resource);
  if (known?.clusterDomain === clusterDomain && known.exportTo === exportTo) return known.service;
  const service = createKubernetesService(resource, mesh, clusterDomain);
  knownServices.set(resource, { exportTo, clusterDomain, service });
  return service;
}

function createKubernetesService({ metadata, spec, source }: Resource<ServiceSpec>, mesh: MeshSettings, clusterDomain: string): MeshService {
  const alias = spec.type === 'ExternalName' ? spec.externalName : undefined;
  const distribution = trafficDistribution(spec.trafficDistribution, metadata.annotations);
  return {
    host: kubernetesHost(metadata.name, metadata.namespace, clusterDomain).toLowerCase(),
    name: metadata.name,
    namespace: metadata.namespace,
    ports: (spec.ports ?? []).flatMap(kubernetesPort),
    addresses: clusterAddresses(spec),
    resolution: 'STATIC',
    headless: spec.clusterIP === 'None',
    external: false,
    ...(alias !== undefined && { aliasOf: alias.toLowerCase().replace(/\.$/, '') }),
    ...(distribution !== undefined && { distribution }),
    exportTo: annotatedExportTo(metadata.annotations[EXPORT_TO_ANNOTATION]) ?? mesh.serviceExportTo,
    source,
    declared: { kind: 'Service', spec },
  };
}

function kubernetesPort(port: ServicePortSpec): readonly MeshPort[] {
  const protocol = servicePortProtocol(port);
  if (protocol === undefined) return [];
  return [{ number: port.port, name: port.name ?? '', protocol, target: port.targetPort ?? port.port }];
}

function clusterAddresses({ clusterIP, clusterIPs }: ServiceSpec): readonly string[] {
  const addresses = new Set([clusterIP ?? '', ...(clusterIPs ?? [])]);
  return [...addresses].filter((address) => isIP(address) !== 0);
}

/** The field, in Kubernetes' own spelling, else Istio's older annotation, in any. Other values mean nothing in particular. */
function trafficDistribution(field: string | undefined, annotations: Readonly<Record<string, string>>): MeshService['distribution'] {
  if (field !== undefined && Object.hasOwn(DISTRIBUTIONS, field)) return { prefer: DISTRIBUTIONS[field]!, path: ['spec', 'trafficDistribution'] };
  const annotation = annotations[DISTRIBUTION_ANNOTATION]?.toLowerCase();
  const name = Object.keys(DISTRIBUTIONS).find((candidate) => candidate.toLowerCase() === annotation);
  return name === undefined ? undefined : { prefer: DISTRIBUTIONS[name]!, path: ['metadata', 'annotations', DISTRIBUTION_ANNOTATION] };
}

const DISTRIBUTIONS: Readonly<Record<string, NonNullable<MeshService['distribution']>['prefer']>> = { PreferClose: 'same-zone', PreferSameZone: 'same-zone', PreferSameNode: 'same-node' };

function annotatedExportTo(annotation: string | undefined): readonly string[] | undefined {
  const entries = (annotation ?? '').split(',').map((entry) => entry.trim()).filter((entry) => entry !== '');
  return entries.length === 0 ? undefined : entries;
}

/** One service for each host; entries of one namespace that repeat a host add their ports to the oldest (istio-api.md 5.1). */
function entryServices(entries: readonly Resource<ServiceEntrySpec>[], mesh: MeshSettings): readonly MeshService[] {
  const byKey = new Map<string, MeshService>();
  for (const entry of entries) {
    for (const host of entry.spec.hosts) {
      const key = `${entry.metadata.namespace}/${host.toLowerCase()}`;
      const service = entryService(entry, host.toLowerCase(), mesh);
      const older = byKey.get(key);
      byKey.set(key, older === undefined ? service : mergeEntries(older, service));
    }
  }
  return [...byKey.values()];
}

function entryService(entry: Resource<ServiceEntrySpec>, host: string, mesh: MeshSettings): MeshService {
  const { metadata, spec, source } = entry;
  const distribution = trafficDistribution(undefined, metadata.annotations);
  const { addresses, ranges } = entryAddresses(spec.addresses ?? []);
  return {
    host,
    name: host,
    namespace: metadata.namespace,
    ports: (spec.ports ?? []).flatMap(entryPort),
    addresses,
    ...(ranges.length > 0 && { ranges }),
    resolution: spec.resolution ?? 'NONE',
    headless: false,
    external: spec.location !== 'MESH_INTERNAL',
    ...(distribution !== undefined && { distribution }),
    ...(spec.subjectAltNames !== undefined && spec.subjectAltNames.length > 0 && { subjectAltNames: spec.subjectAltNames }),
    exportTo: spec.exportTo ?? mesh.serviceExportTo,
    source,
    declared: { kind: 'ServiceEntry', entries: [entry] },
  };
}

/** A block of one address is that address. */
function entryAddresses(written: readonly string[]): { readonly addresses: readonly string[]; readonly ranges: readonly string[] } {
  const plain = written.map((address) => address.replace(/(?<=\.\d+)\/32$|(?<=:.*)\/128$/, ''));
  return { addresses: plain.filter((address) => isIP(address) !== 0), ranges: plain.filter((address) => address.includes('/')) };
}

function entryPort(port: NonNullable<ServiceEntrySpec['ports']>[number]): readonly MeshPort[] {
  const protocol = writtenProtocol(port.protocol);
  if (protocol === undefined) return [];
  return [{ number: port.number, name: port.name, protocol, target: port.targetPort ?? port.number }];
}

/** Only entries that find endpoints in the same way can share a host; of a port declared twice the older counts. */
function mergeEntries(older: MeshService, newer: MeshService): MeshService {
  if (older.resolution !== newer.resolution || older.declared.kind === 'Service' || newer.declared.kind === 'Service') return older;
  const known = new Set(older.ports.map((port) => port.number));
  const names = new Set([...(older.subjectAltNames ?? []), ...(newer.subjectAltNames ?? [])]);
  const ranges = [...new Set([...(older.ranges ?? []), ...(newer.ranges ?? [])])];
  const added = newer.ports.filter((port) => !known.has(port.number));
  return {
    ...older,
    ports: [...older.ports, ...added],
    addresses: [...new Set([...older.addresses, ...newer.addresses])],
    ...(ranges.length > 0 && { ranges }),
    ...(names.size > 0 && { subjectAltNames: [...names] }),
    declared: { kind: 'ServiceEntry', entries: [...older.declared.entries, ...newer.declared.entries] },
  };
}
