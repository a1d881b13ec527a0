/** Arguments of `outrider iptables` for one pod: Istio's injection template over the pod's annotations. */

import { HEALTH_PORT, INBOUND_CAPTURE_PORT, METRICS_PORT, OUTBOUND_CAPTURE_PORT } from '../../iptables/constants.ts';
import type { JsonMap } from './json.ts';
import { textAt } from './json.ts';

/** User and group of the proxy: what it sends is not redirected. */
export const PROXY_UID = 1337;
/** Port of Istio's agent; kept out of interception so that probes written for it still come through. */
const AGENT_PORT = 15020;

const TRAFFIC = 'traffic.sidecar.istio.io';

/** Annotations with their flag, and what holds without the annotation; an empty value leaves the flag out: nothing of that sort. */
const LISTS: readonly (readonly [annotation: string, flag: string, fallback: string])[] = [
  [`${TRAFFIC}/includeOutboundIPRanges`, '-i', '*'],
  [`${TRAFFIC}/excludeOutboundIPRanges`, '-x', ''],
  [`${TRAFFIC}/includeInboundPorts`, '-b', '*'],
  [`${TRAFFIC}/excludeInboundPorts`, '-d', ''],
  [`${TRAFFIC}/includeOutboundPorts`, '-q', ''],
  [`${TRAFFIC}/excludeOutboundPorts`, '-o', ''],
  [`${TRAFFIC}/excludeInterfaces`, '-c', ''],
];

/** `iptables --apply …` as the init container's command line. */
export function interceptionArgs(annotations: JsonMap, healthPort: number | 'off'): readonly string[] {
  const uid = String(PROXY_UID);
  const args = ['iptables', '--apply', '-p', String(OUTBOUND_CAPTURE_PORT), '-z', String(INBOUND_CAPTURE_PORT), '-u', uid, '-g', uid, '-m', 'REDIRECT'];
  for (const [annotation, flag, fallback] of LISTS) {
    const given = textAt(annotations, annotation) ?? fallback;
    const value = flag === '-d' ? withOwnPorts(given, healthPort) : given.trim();
    if (value !== '') args.push(flag, value);
  }
  const interfaces = textAt(annotations, 'istio.io/reroute-virtual-interfaces') ?? textAt(annotations, `${TRAFFIC}/kubevirtInterfaces`) ?? '';
  if (interfaces.trim() !== '') args.push('-k', interfaces.trim());
  return args;
}

/** The kubelet and a scraper reach the proxy's own ports directly. */
function withOwnPorts(given: string, healthPort: number | 'off'): string {
  const own = [METRICS_PORT, HEALTH_PORT, AGENT_PORT, ...(healthPort === 'off' ? [] : [healthPort])].map(String);
  const ports = given.split(',').map((port) => port.trim()).filter((port) => port !== '');
  return [...new Set([...own, ...ports])].join(',');
}

/** Whether connections to a port of the application come through the proxy. */
export function isIntercepted(annotations: JsonMap, port: number): boolean {
  const listed = (name: string): readonly string[] => (textAt(annotations, `${TRAFFIC}/${name}`) ?? '').split(',').map((item) => item.trim());
  const include = textAt(annotations, `${TRAFFIC}/includeInboundPorts`)?.trim() ?? '*';
  // Istio's rule: the list of exclusions counts only where everything is included.
  return include === '*' ? !listed('excludeInboundPorts').includes(String(port)) : listed('includeInboundPorts').includes(String(port));
}
