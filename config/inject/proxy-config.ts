/** `proxy.istio.io/config`: the part of Istio's ProxyConfig that a pod sets for itself, YAML inside an annotation. */

import { readDocument } from '../load/reader.ts';
import type { Path } from '../resources/finding.ts';
import { suggestion } from '../resources/suggest.ts';
import type { JsonMap } from './json.ts';
import { isMap, textAt } from './json.ts';
import type { Report } from './report.ts';

export const PROXY_CONFIG_ANNOTATION = 'proxy.istio.io/config';

export interface ProxyConfig {
  readonly holdApplication?: boolean;
  /** Worker processes; 0 is one per core. */
  readonly concurrency?: number;
  /** How long the proxy may take to end, `45s`. */
  readonly terminationDrainDuration?: string;
  /** Environment variables of the proxy's container, sorted by name. */
  readonly proxyMetadata: Readonly<Record<string, string>>;
}

/** Fields of Istio's ProxyConfig that say something to Envoy or istiod, or stand in the mesh configuration here. */
const WITHOUT_EFFECT: ReadonlySet<string> = new Set([
  'configPath', 'binaryPath', 'serviceCluster', 'drainDuration', 'discoveryAddress', 'zipkinAddress', 'statsdUdpAddress', 'proxyAdminPort', 'controlPlaneAuthPolicy', 'customConfigFile',
  'statNameLength', 'proxyBootstrapTemplatePath', 'interceptionMode', 'tracing', 'envoyAccessLogService', 'envoyMetricsService', 'runtimeValues', 'statusPort', 'extraStatTags',
  'proxyStatsMatcher', 'meshId', 'readinessProbe', 'gatewayTopology', 'caCertificatesPem', 'image', 'privateKeyProvider', 'proxyHeaders', 'fileFlushInterval', 'fileFlushMinSizeKb', 'statsCompression',
]);

const READ = ['holdApplicationUntilProxyStarts', 'concurrency', 'terminationDrainDuration', 'proxyMetadata'] as const;

/** Wrong values are errors; fields without effect are warnings by name. */
export function readProxyConfig(annotations: JsonMap, path: Path, report: Report): ProxyConfig {
  const text = textAt(annotations, PROXY_CONFIG_ANNOTATION);
  const at = [...path, PROXY_CONFIG_ANNOTATION];
  const map = text === undefined ? {} : parseMap(text, at, report);
  for (const field of Object.keys(map)) if (!isRead(field)) report.warning(at, unreadField(field));
  return {
    ...readField(map, 'holdApplicationUntilProxyStarts', 'holdApplication', at, report, (value) => (typeof value === 'boolean' ? undefined : 'must be true or false')),
    ...readField(map, 'concurrency', 'concurrency', at, report, (value) => (isWorkerCount(value) ? undefined : 'must be a whole number from 0 to 1024')),
    ...readField(map, 'terminationDrainDuration', 'terminationDrainDuration', at, report, (value) => (isDuration(value) ? undefined : 'must be a duration such as 5s')),
    proxyMetadata: readMetadata(map, at, report),
  };
}

function parseMap(text: string, at: Path, report: Report): JsonMap {
  const result = readDocument(text);
  if ('problems' in result) {
    report.error(at, `is not YAML: ${result.problems[0]?.message ?? 'it does not parse'}`);
    return {};
  }
  if (isMap(result.value)) return result.value;
  if (result.value !== null) report.error(at, 'must be a map');
  return {};
}

function unreadField(field: string): string {
  if (WITHOUT_EFFECT.has(field)) return `${field} has no effect for a pod; what applies to the mesh stands in the snapshot's mesh configuration`;
  return `has no field ${JSON.stringify(field)}${suggestion(field, [...READ, ...WITHOUT_EFFECT])}`;
}

function isRead(field: string): boolean {
  return READ.some((name) => name === field);
}

function readField<Name extends Exclude<keyof ProxyConfig, 'proxyMetadata'>>(
  map: JsonMap,
  field: string,
  name: Name,
  at: Path,
  report: Report,
  check: (value: unknown) => string | undefined,
): Pick<ProxyConfig, Name> | object {
  const value = map[field];
  if (value === undefined || value === null) return {};
  const problem = check(value);
  if (problem === undefined) return { [name]: value };
  report.error(at, `${field}: ${problem}`);
  return {};
}

function isWorkerCount(value: unknown): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 1024;
}

function isDuration(value: unknown): boolean {
  return typeof value === 'string' && /^(?:\d+(?:\.\d+)?(?:ms|s|m|h))+$/.test(value);
}

function readMetadata(map: JsonMap, at: Path, report: Report): Readonly<Record<string, string>> {
  const given = map['proxyMetadata'];
  if (given === undefined || given === null) return {};
  if (!isMap(given)) {
    report.error(at, 'proxyMetadata: must be a map');
    return {};
  }
  const metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(given).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (typeof value !== 'string') report.error(at, `proxyMetadata.${name}: must be text; put it in quotes`);
    else if (name.startsWith('ISTIO_META_DNS_')) report.warning(at, `proxyMetadata.${name} has no effect: DNS is not captured`);
    else metadata[name] = value;
  }
  return metadata;
}
