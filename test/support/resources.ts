/** Short builders of Istio and Kubernetes resources: what a test leaves out is filled in as a cluster would have it. */

export interface ResourceObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: Labels; readonly annotations?: Labels; readonly creationTimestamp?: string };
  readonly spec?: unknown;
  readonly status?: unknown;
}

type Labels = Readonly<Record<string, string>>;

/** One workload behind a service: a Pod and an EndpointSlice entry on 127.0.0.1. */
export interface WorkloadOptions {
  readonly port: number;
  readonly version?: string;
  readonly labels?: Labels;
}

export interface ServiceOptions {
  readonly namespace?: string;
  /** Service port; default 9080, named `http`. */
  readonly port?: number;
  readonly portName?: string;
  readonly labels?: Labels;
  /** Where the service really runs. */
  readonly workloads?: readonly WorkloadOptions[];
}

/** A snapshot file: JSON documents are YAML documents. */
export function renderResources(resources: readonly ResourceObject[]): string {
  // A file with nothing in it is refused as one that is just being written.
  if (resources.length === 0) return '# no resources\n';
  return resources.map((resource) => `---\n${JSON.stringify(resource, undefined, 2)}\n`).join('');
}

/**
 * A Service with its Pods and EndpointSlices: `service('reviews', { workloads: [{ port: v1.port, version: 'v1' }] })`.
 * A slice for each workload, because the endpoints of one slice share their port numbers.
 */
export function service(name: string, options: ServiceOptions = {}): ResourceObject[] {
  const namespace = options.namespace ?? 'default';
  const port = { name: options.portName ?? 'http', port: options.port ?? 9080 };
  return [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace, labels: options.labels ?? { app: name } },
      spec: { selector: { app: name }, ports: [{ ...port, protocol: 'TCP' }] },
    },
    ...workloads(name, options),
  ];
}

/** The Pods and EndpointSlices alone, for a Service that is written elsewhere. */
export function workloads(name: string, options: ServiceOptions): ResourceObject[] {
  const { namespace = 'default', portName = 'http' } = options;
  return (options.workloads ?? []).flatMap((workload, index) => workloadOf(name, namespace, portName, workload, index));
}

/** `pod('client')` is who the proxy under test usually is: `workload: 'default/client'`. */
export function pod(name: string, labels: Labels = { app: name }, namespace = 'default'): ResourceObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels },
    spec: { serviceAccountName: name, containers: [{ name: 'app' }] },
    status: { podIP: '127.0.0.1', phase: 'Running' },
  };
}

/** `virtualService('reviews', { http: [{ route: [to('reviews', 'v1')] }] })`; `hosts` defaults to the name. */
export function virtualService(name: string, spec: Readonly<Record<string, unknown>>, namespace = 'default'): ResourceObject {
  return istio('VirtualService', name, { hosts: [name], ...spec }, namespace);
}

/** Subsets by `version` label for each name in `versions`; `trafficPolicy` and the like go in `spec`. */
export function destinationRule(host: string, versions: readonly string[], spec: Readonly<Record<string, unknown>> = {}, namespace = 'default'): ResourceObject {
  const subsets = versions.map((version) => ({ name: version, labels: { version } }));
  return istio('DestinationRule', host.replace(/[^a-z0-9-]+/g, '-'), { host, ...(subsets.length > 0 ? { subsets } : {}), ...spec }, namespace);
}

/** A route destination: `to('reviews', 'v2', 80)`. */
export function to(host: string, subset?: string, weight?: number): Readonly<Record<string, unknown>> {
  return { destination: { host, ...(subset === undefined ? {} : { subset }) }, ...(weight === undefined ? {} : { weight }) };
}

/** Any networking.istio.io/v1 resource. */
export function istio(kind: string, name: string, spec: unknown, namespace = 'default'): ResourceObject {
  return { apiVersion: 'networking.istio.io/v1', kind, metadata: { name, namespace }, spec };
}

function workloadOf(name: string, namespace: string, portName: string, workload: WorkloadOptions, index: number): ResourceObject[] {
  const podName = `${name}-${workload.version ?? index}-${workload.port}`;
  const labels = { app: name, ...(workload.version === undefined ? {} : { version: workload.version }), ...workload.labels };
  const slice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: podName, namespace, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports: [{ name: portName, port: workload.port, protocol: 'TCP' }],
    endpoints: [{ addresses: ['127.0.0.1'], conditions: { ready: true }, targetRef: { kind: 'Pod', name: podName, namespace } }],
  };
  return [pod(podName, labels, namespace), slice];
}
