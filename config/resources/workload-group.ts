/** WorkloadGroup: the template WorkloadEntries are made from; read for its labels and checked, never an endpoint itself. */

import type { KindParser } from './kind.ts';
import { istioVersions, specKind } from './kind.ts';
import type { Report, Schema } from './schema.ts';
import { integer, list, map, object, oneName, oneOf, portNumber, present, text } from './schema.ts';
import { checkedText, labels } from './values.ts';
import type { WorkloadEntrySpec } from './workload-entry.ts';
import { workloadTemplate } from './workload-entry.ts';

export interface WorkloadGroupSpec {
  readonly metadata?: TemplateMetadata;
  readonly template: WorkloadEntrySpec;
  readonly probe?: ReadinessProbe;
}

export interface TemplateMetadata {
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** One of the four methods. */
export interface ReadinessProbe {
  readonly initialDelaySeconds?: number;
  readonly timeoutSeconds?: number;
  readonly periodSeconds?: number;
  readonly successThreshold?: number;
  readonly failureThreshold?: number;
  readonly httpGet?: HttpHealthCheck;
  readonly tcpSocket?: TcpHealthCheck;
  readonly exec?: ExecHealthCheck;
  readonly grpc?: GrpcHealthCheck;
}

export interface HttpHealthCheck {
  readonly path?: string;
  readonly port: number;
  readonly host?: string;
  /** Empty or absent: HTTP. */
  readonly scheme?: '' | 'HTTP' | 'HTTPS';
  readonly httpHeaders?: readonly ProbeHeader[];
}

export interface ProbeHeader {
  readonly name?: string;
  readonly value?: string;
}

export interface TcpHealthCheck {
  readonly host?: string;
  readonly port: number;
}

export interface ExecHealthCheck {
  readonly command: readonly string[];
}

export interface GrpcHealthCheck {
  readonly port?: number;
  readonly service?: string;
}

const seconds = integer(0, 0x7f_ff_ff_ff);
const methods = ['httpGet', 'tcpSocket', 'exec', 'grpc'] as const;
const headerName = checkedText((name) => (/^[-_A-Za-z0-9]+$/.test(name) ? undefined : `${JSON.stringify(name)} is not a header name`));

const httpGet: Schema<HttpHealthCheck> = object<HttpHealthCheck>(
  {
    path: text,
    port: portNumber,
    host: text,
    scheme: oneName(['', 'HTTP', 'HTTPS']),
    httpHeaders: list(object<ProbeHeader>({ name: headerName, value: text })),
  },
  { required: ['port'] },
);

const probe: Schema<ReadinessProbe> = object<ReadinessProbe>(
  {
    initialDelaySeconds: seconds,
    timeoutSeconds: seconds,
    periodSeconds: seconds,
    successThreshold: seconds,
    failureThreshold: seconds,
    httpGet,
    tcpSocket: object<TcpHealthCheck>({ host: text, port: portNumber }, { required: ['port'] }),
    exec: object<ExecHealthCheck>({ command: list(text, { min: 1 }) }, { required: ['command'] }),
    grpc: object<GrpcHealthCheck>({ port: portNumber, service: text }),
  },
  { check: checkMethod },
);

export const workloadGroup: KindParser<WorkloadGroupSpec> = specKind(
  { kind: 'WorkloadGroup', apiVersions: istioVersions('networking', 'v1', 'v1beta1', 'v1alpha3') },
  object<WorkloadGroupSpec>(
    { metadata: object<TemplateMetadata>({ labels, annotations: map(text) }), template: workloadTemplate, probe },
    { required: ['template'] },
  ),
);

function checkMethod(value: ReadinessProbe, report: Report): void {
  oneOf(value, methods, report);
  if (present(value, methods).length === 0) report.error([], `needs a method, one of ${methods.join(', ')}`);
}
