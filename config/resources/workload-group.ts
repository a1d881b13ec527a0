/** WorkloadGroup: the template WorkloadEntries are made from; read for its labels and checked, never an endpoint itself. */

import type { WorkloadEntrySpec } from './workload-entry.ts';

export interface WorkloadGroupSpec {
  readonly metadata?: {
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly template: WorkloadEntrySpec;
  readonly probe?: ReadinessProbe;
}

/** One of the four methods. */
export interface ReadinessProbe {
  readonly initialDelaySeconds?: number;
  readonly timeoutSeconds?: number;
  readonly periodSeconds?: number;
  readonly successThreshold?: number;
  readonly failureThreshold?: number;
  readonly httpGet?: HttpHealthCheck;
  readonly tcpSocket?: { readonly host?: string; readonly port: number };
  readonly exec?: { readonly command: readonly string[] };
  readonly grpc?: { readonly port?: number; readonly service?: string };
}

export interface HttpHealthCheck {
  readonly path?: string;
  readonly port: number;
  readonly host?: string;
  /** `HTTP` (default) or `HTTPS`. */
  readonly scheme?: string;
  readonly httpHeaders?: readonly { readonly name: string; readonly value?: string }[];
}
