/** A resource with a pod template to the same resource with a sidecar: what `istioctl kube-inject` does, without a cluster. Pure. */

import { METRICS_PORT } from '../../iptables/constants.ts';
import type { Finding, Path } from '../resources/finding.ts';
import { customised, withoutCustomisation } from './customise.ts';
import type { Json, JsonMap } from './json.ts';
import { mapAt, mapsAt, textAt } from './json.ts';
import type { InjectOptions } from './options.ts';
import { PROXY_CONTAINER, STATUS_ANNOTATION } from './policy-names.ts';
import { reasonToSkip } from './policy.ts';
import { rewriteProbes } from './probes.ts';
import { Report } from './report.ts';
import { readSettings, type ProxySettings } from './settings.ts';
import { holdsApplication, initContainer, PROXY_UID, proxyContainer, status, volumes, type TemplateInput } from './template.ts';
import type { PodTemplate } from './workload.ts';
import { podTemplateOf, withPodTemplate } from './workload.ts';

export interface Injection {
  /** The very object that came in where nothing was added. */
  readonly resource: JsonMap;
  /** Errors (then the resource is as it came), warnings, and as information why a pod was left alone. */
  readonly findings: readonly Finding[];
}

/** Kinds without a pod template pass through. */
export function injectResource(resource: JsonMap, options: InjectOptions): Injection {
  const report = new Report();
  const template = podTemplateOf(resource, report);
  if (template === undefined) return { resource, findings: report.findings };
  const reason = reasonToSkip(template);
  if (reason !== undefined) {
    report.note([], reason);
    return { resource, findings: report.findings };
  }
  const settings = readSettings(template, options, report);
  const injected = injectPod(template, options, settings, report);
  if (report.failed) return { resource, findings: report.findings };
  return { resource: withPodTemplate(resource, template.path, injected.metadata, injected.spec), findings: report.findings };
}

function injectPod(template: PodTemplate, options: InjectOptions, settings: ProxySettings, report: Report): { readonly metadata: JsonMap; readonly spec: JsonMap } {
  warnOfHazards(template, settings, report);
  const annotations = mapAt(template.metadata, 'annotations');
  const { healthPort } = settings;
  const rewrite = settings.rewriteProbes && settings.interception.args !== undefined && healthPort !== 'off';
  const { spec, probers } = rewrite ? rewriteProbes(template.spec, { healthPort, annotations, report, path: template.path }) : { spec: template.spec };
  const added = additions({ template, options, settings, probers });
  return { metadata: injectedMetadata(template, settings, added), spec: withAdditions(spec, settings, added) };
}

interface Additions {
  readonly initContainers: readonly JsonMap[];
  readonly containers: readonly JsonMap[];
  readonly volumes: readonly JsonMap[];
}

function additions(input: TemplateInput): Additions {
  const { interception, nativeSidecar } = input.settings;
  const redirect = interception.args === undefined ? [] : [initContainer(input, interception.args)];
  const proxy = [customised(proxyContainer(input), input.template.spec)];
  return {
    initContainers: nativeSidecar ? [...redirect, ...proxy] : redirect,
    containers: nativeSidecar ? [] : proxy,
    volumes: volumes(input),
  };
}

/**
 * Redirection comes after the pod's own init containers, which would otherwise talk to a proxy that does not run yet; with a
 * native sidecar it comes first, so that they have one. The application is second where it is to wait for the proxy.
 */
function withAdditions(spec: JsonMap, settings: ProxySettings, added: Additions): JsonMap {
  const own = withoutCustomisation(mapsAt(spec, 'initContainers'));
  const initContainers = settings.nativeSidecar ? [...added.initContainers, ...own] : [...own, ...added.initContainers];
  const containers = withoutCustomisation(mapsAt(spec, 'containers'));
  return {
    ...spec,
    ...(initContainers.length === 0 ? {} : { initContainers }),
    containers: holdsApplication(settings) ? [...added.containers, ...containers] : [...containers, ...added.containers],
    volumes: [...mapsAt(spec, 'volumes'), ...added.volumes],
  };
}

function injectedMetadata({ metadata, spec, workload }: PodTemplate, settings: ProxySettings, added: Additions): JsonMap {
  const labels = mapAt(metadata, 'labels');
  const annotations = mapAt(metadata, 'annotations');
  const canonicalName = firstOf(labels, ['service.istio.io/canonical-name', 'app.kubernetes.io/name', 'app']) ?? workload;
  const canonicalRevision = firstOf(labels, ['service.istio.io/canonical-revision', 'app.kubernetes.io/version', 'version']) ?? 'latest';
  return {
    ...metadata,
    annotations: { ...defaultContainer(spec, annotations), ...scraping(annotations, settings), ...annotations, [STATUS_ANNOTATION]: status(added) },
    labels: {
      ...labels,
      'security.istio.io/tlsMode': 'istio',
      'service.istio.io/canonical-name': canonicalName,
      'service.istio.io/canonical-revision': canonicalRevision,
    },
  };
}

function firstOf(labels: JsonMap, names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = textAt(labels, name);
    if (value !== undefined && value !== '') return value;
  }
  return undefined;
}

/** `kubectl logs` and `exec` go on meaning the application, not the container that may now be first. */
function defaultContainer(spec: JsonMap, annotations: JsonMap): JsonMap {
  const name = mapsAt(spec, 'containers').find((container) => container['name'] !== PROXY_CONTAINER)?.['name'];
  if (name === undefined) return {};
  const fields: Record<string, Json> = {};
  for (const annotation of ['kubectl.kubernetes.io/default-container', 'kubectl.kubernetes.io/default-logs-container']) {
    if (annotations[annotation] === undefined) fields[annotation] = name;
  }
  return fields;
}

/** The proxy's metrics, where the pod does not offer its own to Prometheus. */
function scraping(annotations: JsonMap, settings: ProxySettings): JsonMap {
  const own = Object.keys(annotations).some((name) => name.startsWith('prometheus.io/'));
  if (own || !settings.mergePrometheus) return {};
  return { 'prometheus.io/scrape': 'true', 'prometheus.io/port': String(METRICS_PORT), 'prometheus.io/path': '/stats/prometheus' };
}

/** What will not go as the author of the pod thinks. */
function warnOfHazards({ path, spec, kind }: PodTemplate, settings: ProxySettings, report: Report): void {
  const endless = (kind === 'Job' || kind === 'CronJob') && !settings.nativeSidecar;
  if (endless) report.warning([], 'a pod of a job ends only when its proxy does; inject it with --native-sidecar, or let the job POST to http://127.0.0.1:15000/quitquitquit at its end');
  const owner = (at: Path, holder: JsonMap): void => {
    const isProxy = mapAt(holder, 'securityContext')['runAsUser'] === PROXY_UID;
    if (isProxy) report.warning([...at, 'securityContext', 'runAsUser'], `user ${PROXY_UID} is the proxy's: what it sends is not redirected; use another`);
  };
  owner([...path, 'spec'], spec);
  for (const [index, container] of mapsAt(spec, 'containers').entries()) owner([...path, 'spec', 'containers', index], container);
}
