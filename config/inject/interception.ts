/** The init container's command line for one pod, and which of its ports then lead through the proxy. */

import { captureOfAnnotations, CAPTURE_ANNOTATIONS } from '../../iptables/annotations.ts';
import { INBOUND_CAPTURE_PORT, OUTBOUND_CAPTURE_PORT, PROXY_ID } from '../../iptables/constants.ts';
import { splitList } from '../../iptables/values.ts';
import type { Path } from '../resources/finding.ts';
import type { JsonMap } from './json.ts';
import { textAt } from './json.ts';
import type { Report } from './report.ts';

/** Absent where the pod asks for no redirection. */
export interface Interception {
  /** `iptables --apply …`. */
  readonly args?: readonly string[];
}

const FIXED = ['iptables', '--apply', '-p', String(OUTBOUND_CAPTURE_PORT), '-z', String(INBOUND_CAPTURE_PORT), '-u', PROXY_ID, '-g', PROXY_ID];

/** Wrong annotations are reported; `path` is that of the annotations. */
export function readInterception(annotations: JsonMap, path: Path, report: Report): Interception {
  const texts = Object.fromEntries(Object.entries(annotations).filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
  const capture = captureOfAnnotations(texts);
  if (!capture.ok) {
    for (const { annotation, message } of capture.problems) report.error([...path, annotation], message);
    return {};
  }
  if (capture.mode === 'NONE') return {};
  if (capture.mode === 'TPROXY') report.error([...path, CAPTURE_ANNOTATIONS.mode], 'TPROXY needs a kind of socket that Node cannot open; use REDIRECT');
  return { args: [...FIXED, ...capture.arguments] };
}

/** Whether connections to a port of the application come through the proxy. */
export function isIntercepted(annotations: JsonMap, port: number): boolean {
  const list = (annotation: string): readonly string[] => splitList(textAt(annotations, annotation) ?? '');
  const include = textAt(annotations, CAPTURE_ANNOTATIONS.includeInboundPorts)?.trim() ?? '*';
  // Istio's rule: the list of exclusions counts only where everything is included.
  return include === '*' ? !list(CAPTURE_ANNOTATIONS.excludeInboundPorts).includes(String(port)) : list(CAPTURE_ANNOTATIONS.includeInboundPorts).includes(String(port));
}
