/** Sidecar: what one workload listens on and which hosts it may know. */

import type { KindParser } from './kind.ts';
import { istioVersions, specKind } from './kind.ts';
import type { Report, Schema } from './schema.ts';
import { list, object, oneName, present } from './schema.ts';
import type { Destination } from './messages.ts';
import type { Port } from './server-port.ts';
import { bindProblem, isTls, portNumberProblem, sidecarPort } from './server-port.ts';
import type { ServerTlsSettings } from './server-tls.ts';
import { serverTls } from './server-tls.ts';
import { connectionPool } from './traffic-policy/connection-pool.ts';
import type { ConnectionPoolSettings } from './traffic-policy/types.ts';
import { checkedText, destination, dnsLabelProblem, hostProblem, selectorLabels } from './values.ts';
import { isUnixAddress, unixAddressProblem } from './workload-entry.ts';

export interface SidecarSpec {
  readonly workloadSelector?: SidecarSelector;
  readonly ingress?: readonly IstioIngressListener[];
  readonly egress?: readonly IstioEgressListener[];
  readonly inboundConnectionPool?: ConnectionPoolSettings;
  readonly outboundTrafficPolicy?: OutboundTrafficPolicy;
}

export interface SidecarSelector {
  readonly labels?: Readonly<Record<string, string>>;
}

export type CaptureMode = 'DEFAULT' | 'IPTABLES' | 'NONE';

export interface IstioIngressListener {
  readonly port: Port;
  /** IP address. */
  readonly bind?: string;
  readonly captureMode?: CaptureMode;
  /** `127.0.0.1:p`, `[::1]:p`, `0.0.0.0:p`, `[::]:p` or `unix:///path`. */
  readonly defaultEndpoint?: string;
  readonly tls?: ServerTlsSettings;
  readonly connectionPool?: ConnectionPoolSettings;
}

export interface IstioEgressListener {
  /** Absent: the catch-all listener. */
  readonly port?: Port;
  /** IP address or unix socket. */
  readonly bind?: string;
  readonly captureMode?: CaptureMode;
  /** `namespace/dns`, as written. */
  readonly hosts: readonly string[];
}

export interface OutboundTrafficPolicy {
  /** Absent inside a Sidecar = REGISTRY_ONLY (the enum's 0). */
  readonly mode?: 'REGISTRY_ONLY' | 'ALLOW_ANY';
  readonly egressProxy?: Destination;
}

const captureMode: Schema<CaptureMode> = oneName(['DEFAULT', 'IPTABLES', 'NONE']);

const ingress: Schema<IstioIngressListener> = object<IstioIngressListener>(
  {
    port: sidecarPort,
    bind: checkedText((bind) => bindProblem(bind, { unix: false })),
    captureMode,
    defaultEndpoint: checkedText(endpointProblem),
    tls: serverTls,
    connectionPool,
  },
  {
    required: ['port'],
    check: (listener, report) => {
      const problem = portNumberProblem(listener.port, listener.bind);
      if (problem !== undefined) report.error(['port', 'number'], problem);
      if (listener.tls !== undefined) checkIngressTls(listener.tls, listener.port.protocol ?? '', report);
    },
  },
);

const egress: Schema<IstioEgressListener> = object<IstioEgressListener>(
  {
    port: sidecarPort,
    bind: checkedText((bind) => bindProblem(bind, { unix: true })),
    captureMode,
    hosts: list(checkedText(egressHostProblem), { min: 1 }),
  },
  { required: ['hosts'], check: checkEgress },
);

const outboundTrafficPolicy: Schema<OutboundTrafficPolicy> = object<OutboundTrafficPolicy>(
  { mode: oneName(['REGISTRY_ONLY', 'ALLOW_ANY']), egressProxy: destination },
  {
    check: (policy, report) => {
      if (policy.egressProxy === undefined) return;
      report.deprecated(['egressProxy'], 'is deprecated', 'IST0002');
      if (policy.mode !== 'ALLOW_ANY') report.error(['egressProxy'], 'is only allowed with mode ALLOW_ANY');
    },
  },
);

export const sidecar: KindParser<SidecarSpec> = specKind(
  { kind: 'Sidecar', apiVersions: istioVersions('networking', 'v1', 'v1beta1', 'v1alpha3') },
  object<SidecarSpec>(
    {
      workloadSelector: object<SidecarSelector>({ labels: selectorLabels }),
      ingress: list(ingress, { check: checkIngressPorts }),
      egress: list(egress, { check: checkEgressPorts }),
      inboundConnectionPool: connectionPool,
      outboundTrafficPolicy,
    },
    { check: checkSidecar },
  ),
);

function checkSidecar(spec: SidecarSpec, report: Report): void {
  const empty = (spec.egress ?? []).length === 0 && (spec.ingress ?? []).length === 0;
  if (empty && spec.outboundTrafficPolicy === undefined && spec.inboundConnectionPool === undefined) {
    report.error([], 'sets nothing; give egress, ingress, outboundTrafficPolicy or inboundConnectionPool');
  }
  if (spec.workloadSelector !== undefined && Object.keys(spec.workloadSelector.labels ?? {}).length === 0) {
    report.warning(['workloadSelector'], 'has no labels; leave it out for the whole namespace');
  }
}

function checkIngressPorts(listeners: readonly IstioIngressListener[], report: Report): void {
  const seen = new Set<number>();
  for (const [index, { port }] of listeners.entries()) {
    if (seen.has(port.number)) report.error([index, 'port', 'number'], `the port ${port.number} has two ingress listeners`);
    seen.add(port.number);
  }
}

/** The catch-all listener has no port, is alone and last; ports and sockets are unique. */
function checkEgressPorts(listeners: readonly IstioEgressListener[], report: Report): void {
  const seen = new Set<string | number>();
  const catchAlls = listeners.filter(({ port }) => port === undefined).length;
  for (const [index, { port, bind = '' }] of listeners.entries()) {
    if (port === undefined) {
      if (index < listeners.length - 1) report.error([index], catchAlls > 1 ? 'only one listener may have no port' : 'the listener without a port must be the last');
      continue;
    }
    const key = isUnixAddress(bind) ? bind : port.number;
    if (seen.has(key)) report.error([index, 'port', 'number'], `${isUnixAddress(bind) ? `the socket ${bind}` : `the port ${port.number}`} has two egress listeners`);
    seen.add(key);
  }
}

function checkEgress({ port, bind = '', captureMode: capture = 'DEFAULT' }: IstioEgressListener, report: Report): void {
  if (port === undefined) {
    if (bind !== '') report.error(['bind'], 'needs a port');
    return;
  }
  const problem = portNumberProblem(port, bind);
  if (problem !== undefined) report.error(['port', 'number'], problem);
  if (isUnixAddress(bind) && capture === 'IPTABLES') report.error(['captureMode'], 'a unix socket cannot be captured; use DEFAULT or NONE');
}

/** `namespace/dns`; namespace `*`, `.`, `~`, a name, or `~name` to leave out. */
function egressHostProblem(entry: string): string | undefined {
  const slash = entry.indexOf('/');
  const shown = JSON.stringify(entry);
  if (slash === -1) return `${shown} must have the form namespace/host, e.g. "./${entry}" or "*/${entry}"`;
  const namespace = entry.slice(0, slash);
  const name = namespace.startsWith('~') ? namespace.slice(1) : namespace;
  const wild = name === '*' || name === '.' || namespace === '~';
  const problem = wild ? undefined : dnsLabelProblem(name);
  if (problem !== undefined) return `${shown}: the namespace ${problem}; "*", "." and "~" are allowed too`;
  return hostProblem(entry.slice(slash + 1));
}

function endpointProblem(endpoint: string): string | undefined {
  if (endpoint === '') return undefined;
  if (isUnixAddress(endpoint)) return unixAddressProblem(endpoint);
  const port = /^(?:127\.0\.0\.1|0\.0\.0\.0|\[::1\]|\[::\]):(\d{1,5})$/.exec(endpoint)?.[1];
  if (port !== undefined && Number(port) >= 1 && Number(port) <= 65_535) return undefined;
  return `${JSON.stringify(endpoint)} must be 127.0.0.1:port, [::1]:port, 0.0.0.0:port, [::]:port or unix:///path`;
}

/** Terminates TLS of clients outside the mesh, with files only. */
function checkIngressTls(tls: ServerTlsSettings, protocol: string, report: Report): void {
  if (!isTls(protocol)) report.error(['tls'], `needs a port with protocol HTTPS or TLS, not ${protocol === '' ? 'a sniffed one' : protocol}`);
  if (tls.mode === 'AUTO_PASSTHROUGH' || tls.mode === 'ISTIO_MUTUAL') report.error(['tls', 'mode'], `${tls.mode} is not allowed in a Sidecar`);
  const refused = ['credentialName', 'credentialNames', 'subjectAltNames', 'tlsCertificates', 'caCertCredentialName'] as const;
  for (const field of present(tls, refused)) report.error(['tls', field], 'is not allowed in a Sidecar; use certificate files');
  if (tls.httpsRedirect === true) report.error(['tls', 'httpsRedirect'], 'is not allowed in a Sidecar');
}
