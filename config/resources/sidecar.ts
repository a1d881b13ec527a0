/** Sidecar: what one workload listens on and which hosts it may know. */

import type { Port, ServerTlsSettings } from './gateway.ts';
import type { Destination } from './messages.ts';
import type { ConnectionPoolSettings } from './traffic-policy/types.ts';

export interface SidecarSpec {
  readonly workloadSelector?: { readonly labels?: Readonly<Record<string, string>> };
  readonly ingress?: readonly IstioIngressListener[];
  readonly egress?: readonly IstioEgressListener[];
  readonly inboundConnectionPool?: ConnectionPoolSettings;
  readonly outboundTrafficPolicy?: OutboundTrafficPolicy;
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
