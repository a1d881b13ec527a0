/** What one pod asks of its proxy: the annotations of Istio's injector, read over the options of the whole run. */

import type { Path } from '../resources/finding.ts';
import { suggest } from '../resources/suggest.ts';
import { CAPTURE_ANNOTATIONS } from '../../iptables/annotations.ts';
import { HEALTH_PORT, METRICS_PORT } from '../../iptables/constants.ts';
import { readInterception, type Interception } from './interception.ts';
import type { JsonMap } from './json.ts';
import { isMap, mapAt } from './json.ts';
import type { InjectOptions } from './options.ts';
import { PROXY_CONFIG_ANNOTATION, readProxyConfig, type ProxyConfig } from './proxy-config.ts';
import type { Report } from './report.ts';
import type { PodTemplate } from './workload.ts';

export interface ProxySettings {
  readonly image: string;
  readonly resources: JsonMap;
  readonly logLevel?: string;
  /** Port of readiness and of the rewritten probes. */
  readonly healthPort: number | 'off';
  readonly readiness: { readonly initialDelaySeconds: number; readonly periodSeconds: number; readonly failureThreshold: number };
  readonly rewriteProbes: boolean;
  readonly nativeSidecar: boolean;
  readonly holdApplication: boolean;
  readonly interception: Interception;
  /** Further volumes of the pod and mounts of the proxy's container. */
  readonly volumes: readonly JsonMap[];
  readonly volumeMounts: readonly JsonMap[];
  readonly mergePrometheus: boolean;
  readonly proxyConfig: ProxyConfig;
}

/** Istio's defaults for a sidecar. */
const DEFAULT_RESOURCES: JsonMap = { requests: { cpu: '100m', memory: '128Mi' }, limits: { cpu: '2', memory: '1Gi' } };
const DEFAULT_READINESS = { initialDelaySeconds: 0, periodSeconds: 15, failureThreshold: 4 };
const LOG_LEVELS: Readonly<Record<string, string>> = { trace: 'trace', debug: 'debug', info: 'info', warning: 'warn', warn: 'warn', error: 'error', critical: 'critical', off: 'off' };

/** Annotations that injection reads here or elsewhere in this folder. */
const KNOWN: ReadonlySet<string> = new Set([
  'sidecar.istio.io/inject',
  'sidecar.istio.io/status',
  'sidecar.istio.io/proxyImage',
  'sidecar.istio.io/proxyCPU',
  'sidecar.istio.io/proxyCPULimit',
  'sidecar.istio.io/proxyMemory',
  'sidecar.istio.io/proxyMemoryLimit',
  'sidecar.istio.io/logLevel',
  'sidecar.istio.io/rewriteAppHTTPProbers',
  'sidecar.istio.io/nativeSidecar',
  'sidecar.istio.io/userVolume',
  'sidecar.istio.io/userVolumeMount',
  'readiness.status.sidecar.istio.io/initialDelaySeconds',
  'readiness.status.sidecar.istio.io/periodSeconds',
  'readiness.status.sidecar.istio.io/failureThreshold',
  ...Object.values(CAPTURE_ANNOTATIONS),
  'prometheus.istio.io/merge-metrics',
  PROXY_CONFIG_ANNOTATION,
]);

/** Istio's, with what they would do: they concern Envoy's bootstrap, istiod or the injector's templates. */
const WITHOUT_EFFECT: Readonly<Record<string, string>> = {
  'sidecar.istio.io/proxyImageType': 'there is one image; name another with sidecar.istio.io/proxyImage',
  'sidecar.istio.io/agentLogLevel': 'there is no agent beside the proxy; use sidecar.istio.io/logLevel',
  'sidecar.istio.io/componentLogLevel': 'the log has one level; use sidecar.istio.io/logLevel',
  'sidecar.istio.io/bootstrapOverride': 'there is no Envoy bootstrap',
  'sidecar.istio.io/discoveryAddress': 'configuration comes from the snapshot, not from istiod',
  'sidecar.istio.io/controlPlaneAuthPolicy': 'configuration comes from the snapshot, not from istiod',
  'sidecar.istio.io/enableCoreDump': 'core dumps are not set up',
  'sidecar.istio.io/capNetBindService': 'the proxy binds no port below 1024 for a sidecar',
  'sidecar.istio.io/statsInclusionPrefixes': 'every statistic is kept',
  'sidecar.istio.io/statsInclusionSuffixes': 'every statistic is kept',
  'sidecar.istio.io/statsInclusionRegexps': 'every statistic is kept',
  'sidecar.istio.io/statsHistogramBuckets': 'histogram buckets are Istio\'s',
  'sidecar.istio.io/statsCompression': 'statistics are not compressed',
  'sidecar.istio.io/extraStatTags': 'tags are a matter of Telemetry resources',
  'readiness.status.sidecar.istio.io/applicationPorts': 'Istio ignores it too',
  'proxy.istio.io/overrides': 'the injector writes it, nothing reads it here',
  'inject.istio.io/templates': 'there is one template',
};

const OURS = /(?:^|\.)(?:sidecar|proxy|inject)\.istio\.io\//;

/** Wrong values are errors, annotations that do nothing are warnings; the settings are whole in any case. */
export function readSettings(template: PodTemplate, options: InjectOptions, report: Report): ProxySettings {
  const annotations = mapAt(template.metadata, 'annotations');
  warnOfOthers(annotations, template, report);
  const reader = new AnnotationReader(annotations, annotationsPath(template), report);
  const proxyConfig = readProxyConfig(annotations, annotationsPath(template), report);
  const logLevel = reader.parsed('sidecar.istio.io/logLevel', parseLogLevel);
  return {
    image: reader.parsed('sidecar.istio.io/proxyImage', parseImage) ?? options.image,
    resources: readResources(reader),
    ...(logLevel === undefined ? {} : { logLevel }),
    healthPort: reader.parsed('status.sidecar.istio.io/port', parseHealthPort) ?? HEALTH_PORT,
    readiness: readReadiness(reader),
    rewriteProbes: reader.parsed('sidecar.istio.io/rewriteAppHTTPProbers', parseBoolean) ?? true,
    nativeSidecar: reader.parsed('sidecar.istio.io/nativeSidecar', parseBoolean) ?? options.nativeSidecar,
    holdApplication: proxyConfig.holdApplication ?? options.holdApplication,
    interception: readInterception(annotations, annotationsPath(template), report),
    volumes: reader.parsed('sidecar.istio.io/userVolume', parseNamedMaps) ?? [],
    volumeMounts: reader.parsed('sidecar.istio.io/userVolumeMount', parseNamedMaps) ?? [],
    mergePrometheus: reader.parsed('prometheus.istio.io/merge-metrics', parseBoolean) ?? true,
    proxyConfig,
  };
}

/** Path of a pod's annotations in its resource. */
export function annotationsPath(template: PodTemplate): Path {
  return [...template.path, 'metadata', 'annotations'];
}

function warnOfOthers(annotations: JsonMap, template: PodTemplate, report: Report): void {
  for (const name of Object.keys(annotations)) {
    if (!OURS.test(name) || KNOWN.has(name)) continue;
    const why = Object.hasOwn(WITHOUT_EFFECT, name) ? WITHOUT_EFFECT[name] : undefined;
    const near = why === undefined ? suggest(name, KNOWN) : undefined;
    const advice = near === undefined ? 'is not an annotation that injection knows' : `is not an annotation that injection knows; did you mean ${near}?`;
    report.warning([...annotationsPath(template), name], why === undefined ? advice : `has no effect: ${why}`);
  }
}

type Parsed<T> = { readonly value: T } | { readonly problem: string };

class AnnotationReader {
  readonly #annotations: JsonMap;
  readonly #path: Path;
  readonly #report: Report;

  constructor(annotations: JsonMap, path: Path, report: Report) {
    this.#annotations = annotations;
    this.#path = path;
    this.#report = report;
  }

  /** Undefined where the annotation is absent, or wrong and reported. */
  parsed<T>(name: string, parse: (text: string) => Parsed<T>): T | undefined {
    const text = this.#annotations[name];
    if (typeof text !== 'string') return undefined;
    const parsed = parse(text);
    if ('value' in parsed) return parsed.value;
    this.#report.error([...this.#path, name], parsed.problem);
    return undefined;
  }
}

/** As Istio's template: one annotation of the four replaces all defaults. */
function readResources(reader: AnnotationReader): JsonMap {
  const quantity = (name: string): string | undefined => reader.parsed(`sidecar.istio.io/${name}`, parseQuantity);
  const pair = (cpu: string | undefined, memory: string | undefined): JsonMap => ({ ...(cpu === undefined ? {} : { cpu }), ...(memory === undefined ? {} : { memory }) });
  const requests = pair(quantity('proxyCPU'), quantity('proxyMemory'));
  const limits = pair(quantity('proxyCPULimit'), quantity('proxyMemoryLimit'));
  const given = [requests, limits].some((map) => Object.keys(map).length > 0);
  if (!given) return DEFAULT_RESOURCES;
  return { ...(Object.keys(requests).length > 0 ? { requests } : {}), ...(Object.keys(limits).length > 0 ? { limits } : {}) };
}

function readReadiness(reader: AnnotationReader): ProxySettings['readiness'] {
  const field = (name: keyof ProxySettings['readiness'], least: number): number =>
    reader.parsed(`readiness.status.sidecar.istio.io/${name}`, parseWhole(least)) ?? DEFAULT_READINESS[name];
  return { initialDelaySeconds: field('initialDelaySeconds', 0), periodSeconds: field('periodSeconds', 1), failureThreshold: field('failureThreshold', 1) };
}

function parseBoolean(text: string): Parsed<boolean> {
  // Go's strconv.ParseBool, which Istio reads annotations with.
  if (/^(?:1|t|T|true|TRUE|True)$/.test(text)) return { value: true };
  if (/^(?:0|f|F|false|FALSE|False)$/.test(text)) return { value: false };
  return { problem: `${JSON.stringify(text)} is neither "true" nor "false"` };
}

function parseQuantity(text: string): Parsed<string> {
  if (/^(?:\d+(?:\.\d*)?|\.\d+)(?:[numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?$/.test(text)) return { value: text };
  return { problem: `${JSON.stringify(text)} is not a quantity such as "100m" or "128Mi"` };
}

function parseImage(text: string): Parsed<string> {
  return /^[\w][\w./:@-]*$/.test(text) ? { value: text } : { problem: `${JSON.stringify(text)} is not the name of an image` };
}

function parseLogLevel(text: string): Parsed<string> {
  const level = Object.hasOwn(LOG_LEVELS, text) ? LOG_LEVELS[text] : undefined;
  return level === undefined ? { problem: `${JSON.stringify(text)} is not one of ${Object.keys(LOG_LEVELS).join(', ')}` } : { value: level };
}

function parseHealthPort(text: string): Parsed<number | 'off'> {
  if (text === '0') return { value: 'off' };
  const port = /^\d{1,5}$/.test(text) ? Number(text) : NaN;
  if (port === METRICS_PORT) return { problem: `${port} is the port of the proxy's metrics` };
  return port >= 1 && port <= 65_535 ? { value: port } : { problem: `${JSON.stringify(text)} is not a port (1-65535), or "0" for none` };
}

function parseWhole(least: number): (text: string) => Parsed<number> {
  return (text) => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
    return value >= least ? { value } : { problem: `${JSON.stringify(text)} is not a whole number of at least ${least}` };
  };
}

/** `{"name": {…}}`, as Istio has volumes in an annotation; in the order written. */
function parseNamedMaps(text: string): Parsed<readonly JsonMap[]> {
  const problem = { problem: 'must be JSON of the form {"name": {...}}' };
  try {
    const map: unknown = JSON.parse(text);
    if (!isMap(map)) return problem;
    const items = Object.entries(map).map(([name, value]) => (isMap(value) ? { name, ...value } : undefined));
    return items.every((item) => item !== undefined) ? { value: items } : problem;
  } catch {
    return problem;
  }
}
