/** Pod annotations that change the interception rules, to the options that the init container gets (istio-api.md 15.4). */

import { HEALTH_PORT, METRICS_PORT, STATUS_PORT } from './constants.ts';
import * as values from './values.ts';
import type { Parsed } from './values.ts';

/** What a pod's annotations ask for; `NONE`: no rules, so no init container. */
export type AnnotatedCapture =
  | { readonly ok: true; readonly mode: 'NONE' }
  | {
      readonly ok: true;
      readonly mode: 'REDIRECT' | 'TPROXY';
      /** Words for `outrider iptables`, in the order of Istio's injection template; the action is not among them. */
      readonly arguments: readonly string[];
    }
  | { readonly ok: false; readonly problems: readonly AnnotationProblem[] };

export interface AnnotationProblem {
  readonly annotation: string;
  readonly message: string;
}

/** What the mesh says where the pod says nothing. */
export interface CaptureDefaults {
  /** Proxy metadata `ISTIO_META_DNS_CAPTURE`. */
  readonly dnsCapture?: boolean;
  readonly mode?: 'REDIRECT' | 'TPROXY' | 'NONE';
}

export type Annotations = Readonly<Record<string, string>>;

export const CAPTURE_ANNOTATIONS = {
  mode: 'sidecar.istio.io/interceptionMode',
  statusPort: 'status.sidecar.istio.io/port',
  includeInboundPorts: 'traffic.sidecar.istio.io/includeInboundPorts',
  excludeInboundPorts: 'traffic.sidecar.istio.io/excludeInboundPorts',
  includeRanges: 'traffic.sidecar.istio.io/includeOutboundIPRanges',
  excludeRanges: 'traffic.sidecar.istio.io/excludeOutboundIPRanges',
  includeOutboundPorts: 'traffic.sidecar.istio.io/includeOutboundPorts',
  excludeOutboundPorts: 'traffic.sidecar.istio.io/excludeOutboundPorts',
  excludeInterfaces: 'traffic.sidecar.istio.io/excludeInterfaces',
  reroute: 'istio.io/reroute-virtual-interfaces',
  /** Older name of `reroute`, read where that is absent. */
  kubevirt: 'traffic.sidecar.istio.io/kubevirtInterfaces',
} as const;

/** Everything is captured where the pod does not say otherwise, but for the proxy's own ports. */
export function captureOfAnnotations(annotations: Annotations, defaults: CaptureDefaults = {}): AnnotatedCapture {
  const names = CAPTURE_ANNOTATIONS;
  const reader = new AnnotationReader(annotations);
  const mode = reader.text(names.mode, parseMode) || (defaults.mode ?? 'REDIRECT');
  const statusPort = reader.text(names.statusPort, values.parseNumber(0, 65_535)) || String(STATUS_PORT);
  const excludePorts = reader.text(names.excludeInboundPorts, values.parsePorts) ?? '';
  const words = [
    ['-m', mode],
    ['-i', reader.text(names.includeRanges, values.parseRangeSelection) ?? '*'],
    ['-x', reader.text(names.excludeRanges, values.parseRanges)],
    ['-b', reader.text(names.includeInboundPorts, values.parsePortSelection) ?? '*'],
    ['-d', excludedInbound(values.splitList(excludePorts), statusPort).join(',')],
    ['-q', reader.text(names.includeOutboundPorts, values.parsePorts)],
    ['-o', reader.text(names.excludeOutboundPorts, values.parsePorts)],
    ['-k', reader.text(names.reroute, values.parseInterfaces) ?? reader.text(names.kubevirt, values.parseInterfaces)],
    ['-c', reader.text(names.excludeInterfaces, values.parseInterfaces)],
  ] as const;
  if (reader.problems.length > 0) return { ok: false, problems: reader.problems };
  if (mode === 'NONE') return { ok: true, mode };
  const given = words.flatMap(([flag, value]) => (value === undefined || (value === '' && flag !== '-i' && flag !== '-b') ? [] : [flag, value]));
  return { ok: true, mode: mode === 'TPROXY' ? 'TPROXY' : 'REDIRECT', arguments: [...given, ...(defaults.dnsCapture === true ? ['--redirect-dns'] : [])] };
}

/** Metrics and readiness always, then the pod's own, then the status port unless it is off (0) or named already. */
function excludedInbound(named: readonly string[], statusPort: string): readonly string[] {
  const ports = [String(METRICS_PORT), String(HEALTH_PORT), ...named];
  return statusPort === '0' || ports.includes(statusPort) ? ports : [...ports, statusPort];
}

function parseMode(text: string): Parsed<string> {
  return ['REDIRECT', 'TPROXY', 'NONE'].includes(text) ? { ok: true, value: text } : values.invalid(`'${text}' is not REDIRECT, TPROXY or NONE`);
}

/** Hands out the text of annotations whose value is sound, and collects what is wrong with the others. */
class AnnotationReader {
  readonly problems: AnnotationProblem[] = [];
  readonly #annotations: Annotations;

  constructor(annotations: Annotations) {
    this.#annotations = annotations;
  }

  /** Undefined where the annotation is absent; an empty one means none. */
  text(annotation: string, parse: (text: string) => Parsed<unknown>): string | undefined {
    const text = Object.hasOwn(this.#annotations, annotation) ? this.#annotations[annotation]?.trim() : undefined;
    if (text === undefined || text === '') return text;
    const parsed = parse(text);
    if (!parsed.ok) this.problems.push({ annotation, message: parsed.message });
    return text;
  }
}
