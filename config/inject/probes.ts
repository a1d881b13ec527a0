/**
 * Probes of the application, asked of the proxy instead: the kubelet has no certificate and would be refused where mutual
 * TLS is demanded. The proxy's health port asks the application in turn, beside the interception.
 */

import type { Path } from '../resources/finding.ts';
import { isIntercepted } from './interception.ts';
import type { Json, JsonMap } from './json.ts';
import { compact, isMap, mapAt, mapsAt, textAt } from './json.ts';
import { PROXY_CONTAINER } from './policy-names.ts';
import type { Report } from './report.ts';

/** What the proxy reads the probes from: a JSON object of path to probe, Istio's format. */
export const PROBERS_VARIABLE = 'ISTIO_KUBE_APP_PROBERS';

/** A container's probes and hooks with their path below the container's name. */
const PROBES = [
  ['readinessProbe', '/app-health/', '/readyz'],
  ['livenessProbe', '/app-health/', '/livez'],
  ['startupProbe', '/app-health/', '/startupz'],
] as const;
const HOOKS = [
  ['preStop', '/app-lifecycle/', '/prestopz'],
  ['postStart', '/app-lifecycle/', '/poststartz'],
] as const;

export interface ProbeContext {
  readonly healthPort: number;
  readonly annotations: JsonMap;
  readonly report: Report;
  /** Of the pod template in its resource. */
  readonly path: Path;
}

export interface RewrittenProbes {
  readonly spec: JsonMap;
  /** Value of PROBERS_VARIABLE, keys sorted; undefined where nothing was rewritten. */
  readonly probers?: string;
}

/** Exec probes stay: they run in the container. So do probes of ports that are not intercepted, and of another host. */
export function rewriteProbes(spec: JsonMap, context: ProbeContext): RewrittenProbes {
  const rewriter = new ProbeRewriter(context);
  const rewritten: Record<string, Json> = {};
  for (const list of ['initContainers', 'containers']) {
    if (!Array.isArray(spec[list])) continue;
    rewritten[list] = mapsAt(spec, list).map((container, index) => rewriter.container(container, [...context.path, 'spec', list, index]));
  }
  const { probers } = rewriter;
  if (Object.keys(probers).length === 0) return { spec };
  const sorted = Object.fromEntries(Object.entries(probers).sort(([a], [b]) => (a < b ? -1 : 1)));
  return { spec: { ...spec, ...rewritten }, probers: JSON.stringify(sorted) };
}

class ProbeRewriter {
  readonly probers: Record<string, JsonMap> = {};
  readonly #context: ProbeContext;

  constructor(context: ProbeContext) {
    this.#context = context;
  }

  container(container: JsonMap, path: Path): JsonMap {
    if (container['name'] === PROXY_CONTAINER) return container;
    const { lifecycle } = container;
    const rewritten = this.#fields(container, container, PROBES, path);
    return isMap(lifecycle) ? { ...rewritten, lifecycle: this.#fields(lifecycle, container, HOOKS, [...path, 'lifecycle']) } : rewritten;
  }

  #fields(holder: JsonMap, container: JsonMap, fields: typeof PROBES | typeof HOOKS, path: Path): JsonMap {
    const changed: Record<string, JsonMap> = {};
    for (const [field, prefix, suffix] of fields) {
      const probe = holder[field];
      const url = `${prefix}${textAt(container, 'name') ?? ''}${suffix}`;
      const asked = isMap(probe) ? this.#askedBy(probe, container, [...path, field]) : undefined;
      if (!isMap(probe) || asked === undefined) continue;
      this.probers[url] = asked;
      changed[field] = rewriteProbe(probe, url, this.#context.healthPort);
    }
    return Object.keys(changed).length === 0 ? holder : { ...holder, ...changed };
  }

  /** What the proxy is to ask, its port a number; undefined where the kubelet goes on asking. */
  #askedBy(probe: JsonMap, container: JsonMap, path: Path): JsonMap | undefined {
    const kind = (['httpGet', 'tcpSocket', 'grpc'] as const).find((name) => isMap(probe[name]));
    if (kind === undefined) return undefined;
    const action = mapAt(probe, kind);
    if (typeof action['host'] === 'string' && action['host'] !== '') return undefined;
    const port = portNumber(action['port'], container);
    if (port === undefined) {
      this.#context.report.warning([...path, kind, 'port'], 'is not a port of this container; the probe stays as it is');
      return undefined;
    }
    if (!isIntercepted(this.#context.annotations, port)) return undefined;
    const { timeoutSeconds } = probe;
    return compact({ [kind]: { ...action, port }, timeoutSeconds });
  }
}

/** A number, or the name of one of the container's ports, or digits. */
function portNumber(port: Json | undefined, container: JsonMap): number | undefined {
  if (typeof port === 'number') return port;
  if (typeof port !== 'string') return undefined;
  const named = mapsAt(container, 'ports').find(({ name }) => name === port)?.['containerPort'];
  if (typeof named === 'number') return named;
  return /^\d{1,5}$/.test(port) ? Number(port) : undefined;
}

/** The same probe with its thresholds, over plain HTTP to the proxy, which speaks to the application as the probe says. */
function rewriteProbe(probe: JsonMap, path: string, port: number): JsonMap {
  const { httpGet, tcpSocket, grpc, ...rest } = probe;
  void tcpSocket;
  void grpc;
  const action = isMap(httpGet) ? httpGet : {};
  const scheme = action['scheme'] === 'HTTPS' ? { scheme: 'HTTP' } : {};
  return { httpGet: { ...action, path, port, ...scheme }, ...rest };
}
