/**
 * Istio's exchange of peer metadata between sidecars: each says which workload it is in the headers x-envoy-peer-metadata-id and
 * x-envoy-peer-metadata, a protobuf Struct in base64 (istio/proxy: extensions/common/metadata_object). A certificate says who a
 * peer is, but only down to the service account; the workload's name, service and version come from here.
 */

import type { WorkloadConfig } from '../../config/runtime/endpoint.ts';
import type { NodeConfig } from '../../config/runtime/runtime-config.ts';
import type { ConnectionSecurity } from '../stream/connection-security.ts';

export const METADATA_HEADER = 'x-envoy-peer-metadata';
export const METADATA_ID_HEADER = 'x-envoy-peer-metadata-id';

/** Values of the two headers. */
export interface PeerMetadata {
  readonly id: string;
  readonly value: string;
}

/** What this workload tells its peers. */
export function ownMetadata({ mode, ip, name, namespace, clusterDomain, workload }: NodeConfig): PeerMetadata {
  const labels: Fields = [
    ['app', workload.app],
    ['service.istio.io/canonical-name', workload.canonicalService],
    ['service.istio.io/canonical-revision', workload.canonicalService === undefined ? undefined : (workload.canonicalRevision ?? 'latest')],
    ['version', workload.version],
  ];
  const struct = Buffer.concat([
    stringFields([['CLUSTER_ID', workload.cluster]]),
    field('LABELS', bytesField(STRUCT_VALUE, stringFields(labels))),
    stringFields([['NAME', name], ['NAMESPACE', namespace], ['WORKLOAD_NAME', workload.name]]),
  ]);
  return { id: `${mode === 'sidecar' ? 'sidecar' : 'router'}~${ip}~${name}.${namespace}~${namespace}.svc.${clusterDomain}`, value: struct.toString('base64') };
}

/** A pod's metadata is a few hundred bytes; what is longer is not looked at. */
const LONGEST_HEADER = 8192;
/** Kubernetes names are no longer. */
const LONGEST_VALUE = 253;
/** Workloads told apart; whoever claims to be one more is known by its certificate alone. */
const WORKLOADS_LIMIT = 2000;
/** Header values whose meaning is kept: one for each pod that calls. */
const VALUES_LIMIT = 2000;

const byContent: Map<string, WorkloadConfig> = new Map();
const byHeader: Map<string, WorkloadConfig> = new Map();

/**
 * The workload behind a verified `principal` (`spiffe://…`), as its sidecar describes it in `header`. The namespace is the
 * certificate's, whatever the header says. Always the same object for the same answer.
 */
function peerWorkload(principal: string, header: string | undefined): WorkloadConfig | undefined {
  const key = `${principal} ${header ?? ''}`;
  const known = byHeader.get(key);
  if (known !== undefined) return known;
  const namespace = namespaceOf(principal);
  const told = header === undefined || header.length > LONGEST_HEADER ? undefined : readMetadata(header);
  const workload = interned(principal, { ...told, ...(namespace !== undefined && { namespace }) }) ?? interned(principal, namespace === undefined ? {} : { namespace });
  if (workload === undefined) return undefined;
  if (byHeader.size >= VALUES_LIMIT) byHeader.delete(byHeader.keys().next().value as string);
  byHeader.set(key, workload);
  return workload;
}

interface Told {
  readonly header: string | undefined;
  readonly workload: WorkloadConfig | undefined;
}

/** What each connection's last request said: nearly always what the next one says. */
const lastTold: WeakMap<ConnectionSecurity, Told> = new WeakMap();

/** Of a client over TLS; undefined unless its certificate was verified and names a workload of the mesh. */
export function clientWorkload(security: ConnectionSecurity, header: string | undefined): WorkloadConfig | undefined {
  const last = lastTold.get(security);
  if (last !== undefined && last.header === header) return last.workload;
  const { mutual, peer } = security;
  const principal = peer?.uris[0];
  const workload = mutual && principal?.startsWith('spiffe://') === true ? peerWorkload(principal, header) : undefined;
  lastTold.set(security, { header, workload });
  return workload;
}

/** Of `spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT`. */
function namespaceOf(principal: string): string | undefined {
  return /^spiffe:\/\/[^/]+\/ns\/([^/]+)\/sa\/[^/]+$/.exec(principal)?.[1];
}

function interned(principal: string, workload: WorkloadConfig): WorkloadConfig | undefined {
  const key = `${principal} ${JSON.stringify(workload)}`;
  const known = byContent.get(key);
  if (known !== undefined || byContent.size >= WORKLOADS_LIMIT) return known;
  byContent.set(key, workload);
  return workload;
}

function readMetadata(header: string): WorkloadConfig | undefined {
  const struct = readStruct(Buffer.from(header, 'base64'));
  const labels = struct?.get('LABELS');
  if (struct === undefined) return undefined;
  const of = (from: Struct | Buffer | string | undefined, name: string): string | undefined => {
    const value = from instanceof Map ? from.get(name) : undefined;
    return typeof value === 'string' && value !== '' && value.length <= LONGEST_VALUE ? value : undefined;
  };
  const inLabels = labels instanceof Buffer ? readStruct(labels) : undefined;
  const workload = {
    name: of(struct, 'WORKLOAD_NAME'),
    namespace: of(struct, 'NAMESPACE'),
    cluster: of(struct, 'CLUSTER_ID'),
    canonicalService: of(inLabels, 'service.istio.io/canonical-name'),
    canonicalRevision: of(inLabels, 'service.istio.io/canonical-revision'),
    app: of(inLabels, 'app'),
    version: of(inLabels, 'version'),
  };
  return Object.fromEntries(Object.entries(workload).filter(([, value]) => value !== undefined));
}

// google.protobuf.Struct: fields = 1, a map of string (1) to Value (2); of Value, string_value = 3 and struct_value = 5.

const MAP_ENTRY = 0x0a;
const ENTRY_KEY = 0x0a;
const ENTRY_VALUE = 0x12;
const STRING_VALUE = 0x1a;
const STRUCT_VALUE = 0x2a;

type Fields = readonly (readonly [name: string, value: string | undefined])[];

function stringFields(fields: Fields): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => (value === undefined || value === '' ? [] : [field(name, bytesField(STRING_VALUE, Buffer.from(value)))])));
}

function field(name: string, value: Buffer): Buffer {
  return bytesField(MAP_ENTRY, Buffer.concat([bytesField(ENTRY_KEY, Buffer.from(name)), bytesField(ENTRY_VALUE, value)]));
}

function bytesField(tag: number, bytes: Buffer): Buffer {
  const length: number[] = [];
  let left = bytes.length;
  for (; left > 0x7f; left >>>= 7) length.push((left & 0x7f) | 0x80);
  return Buffer.concat([Buffer.from([tag, ...length, left]), bytes]);
}

/** Strings as they are, structs as the bytes of their fields; other values are left out. */
type Struct = ReadonlyMap<string, string | Buffer>;

/** Undefined where the bytes are no Struct. */
function readStruct(bytes: Buffer): Struct | undefined {
  const struct = new Map<string, string | Buffer>();
  const entries = readFields(bytes);
  if (entries === undefined) return undefined;
  for (const [tag, entry] of entries) {
    const parts = tag === MAP_ENTRY ? readFields(entry) : undefined;
    if (parts === undefined) return undefined;
    const value = readFields(parts.find(([part]) => part === ENTRY_VALUE)?.[1] ?? Buffer.alloc(0))?.[0];
    const name = parts.find(([part]) => part === ENTRY_KEY)?.[1].toString() ?? '';
    if (value?.[0] === STRING_VALUE) struct.set(name, value[1].toString());
    else if (value?.[0] === STRUCT_VALUE) struct.set(name, value[1]);
  }
  return struct;
}

/** Tag and bytes of each length-delimited field; numbers are passed over. Undefined where the bytes end too soon or are something else. */
function readFields(bytes: Buffer): [tag: number, bytes: Buffer][] | undefined {
  const fields: [number, Buffer][] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 35 && at < bytes.length; shift += 7) {
      const byte = bytes[at++] as number;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    return -1;
  };
  while (at < bytes.length) {
    const tag = varint();
    const kind = tag & 7;
    if (kind === 0) {
      if (varint() < 0) return undefined;
      continue;
    }
    const length = kind === 1 ? 8 : kind === 2 ? varint() : -1;
    if (tag < 0 || length < 0 || at + length > bytes.length) return undefined;
    if (kind === 2) fields.push([tag, bytes.subarray(at, at + length)]);
    at += length;
  }
  return fields;
}
