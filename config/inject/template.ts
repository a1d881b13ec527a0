/** What injection adds to a pod: the proxy's container, the init container that redirects, and their volumes. */

import { METRICS_PORT, PROXY_ID } from '../../iptables/constants.ts';
import type { Json, JsonMap } from './json.ts';
import { compact, textAt } from './json.ts';
import type { InjectOptions } from './options.ts';
import { INIT_CONTAINER, PROXY_CONTAINER } from './policy-names.ts';
import { PROBERS_VARIABLE } from './probes.ts';
import type { ProxySettings } from './settings.ts';
import type { PodTemplate } from './workload.ts';

/** User and group of the proxy: what it sends is not redirected. */
export const PROXY_UID = Number(PROXY_ID);

const CONFIG_FOLDER = '/etc/outrider';
const CERTS_FOLDER = '/etc/certs';
const POD_FOLDER = '/etc/istio/pod';

/** Kubernetes' own where a pod says none, seconds. */
const DEFAULT_GRACE_SECONDS = 30;
/** Of the grace period, what is left for the end of the process itself. */
const GRACE_MARGIN_SECONDS = 5;

export interface TemplateInput {
  readonly template: PodTemplate;
  readonly options: InjectOptions;
  readonly settings: ProxySettings;
  /** The application's probes for the proxy to ask, see PROBERS_VARIABLE. */
  readonly probers?: string | undefined;
}

/** The proxy's container; as a native sidecar an init container that goes on running. */
export function proxyContainer(input: TemplateInput): JsonMap {
  const { options, settings } = input;
  return compact({
    name: PROXY_CONTAINER,
    image: settings.image,
    imagePullPolicy: options.imagePullPolicy,
    args: runArgs(input),
    env: environment(input),
    ports: [{ name: 'http-envoy-prom', containerPort: METRICS_PORT, protocol: 'TCP' }],
    restartPolicy: settings.nativeSidecar ? 'Always' : undefined,
    lifecycle: holdsApplication(settings) ? { postStart: { exec: { command: ['node', '/outrider/dist/proxy/main.js', 'wait', '--health-port', String(settings.healthPort)] } } } : undefined,
    ...healthProbes(settings),
    resources: settings.resources,
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      privileged: false,
      readOnlyRootFilesystem: true,
      runAsGroup: PROXY_UID,
      runAsNonRoot: true,
      runAsUser: PROXY_UID,
    },
    volumeMounts: [
      { name: 'outrider-config', mountPath: CONFIG_FOLDER, readOnly: true },
      ...(certsSecret(input) === undefined ? [] : [{ name: 'outrider-certs', mountPath: CERTS_FOLDER, readOnly: true }]),
      { name: 'istio-podinfo', mountPath: POD_FOLDER },
      ...settings.volumeMounts,
    ],
  });
}

/** Runs before the application and ends: as root with the two capabilities that the rules need, and no other. */
export function initContainer({ options, settings }: TemplateInput, args: readonly string[]): JsonMap {
  return compact({
    name: INIT_CONTAINER,
    image: settings.image,
    imagePullPolicy: options.imagePullPolicy,
    args,
    resources: settings.resources,
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { add: ['NET_ADMIN', 'NET_RAW'], drop: ['ALL'] },
      privileged: false,
      readOnlyRootFilesystem: false,
      runAsGroup: 0,
      runAsNonRoot: false,
      runAsUser: 0,
    },
  });
}

export function volumes(input: TemplateInput): readonly JsonMap[] {
  const secretName = certsSecret(input);
  return [
    { name: 'outrider-config', configMap: { name: input.options.configMap } },
    ...(secretName === undefined ? [] : [{ name: 'outrider-certs', secret: { secretName } }]),
    {
      name: 'istio-podinfo',
      downwardAPI: {
        items: [
          { path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } },
          { path: 'annotations', fieldRef: { fieldPath: 'metadata.annotations' } },
        ],
      },
    },
    ...input.settings.volumes,
  ];
}

/** The proxy is the first container, and Kubernetes starts the next only when its hook has ended. */
export function holdsApplication({ holdApplication, nativeSidecar, healthPort }: ProxySettings): boolean {
  return holdApplication && !nativeSidecar && healthPort !== 'off';
}

function runArgs(input: TemplateInput): readonly string[] {
  const { options, settings, template } = input;
  const { proxyConfig, logLevel, healthPort } = settings;
  const args = ['run', '--config', CONFIG_FOLDER];
  const add = (flag: string, value: string | number | undefined): void => void (value !== undefined && args.push(flag, String(value)));
  add('--certs', certsSecret(input) === undefined ? undefined : CERTS_FOLDER);
  add('--trust-domain', options.trustDomain);
  add('--cluster-domain', options.clusterDomain);
  add('--health-port', healthPort);
  add('--concurrency', proxyConfig.concurrency);
  add('--log-level', logLevel);
  add('--drain-time', proxyConfig.terminationDrainDuration ?? drainTime(template.spec));
  return args;
}

/** As long as the pod's grace period lets it. */
function drainTime(spec: JsonMap): string {
  const given = spec['terminationGracePeriodSeconds'];
  const seconds = typeof given === 'number' ? given : DEFAULT_GRACE_SECONDS;
  return `${Math.max(1, seconds - GRACE_MARGIN_SECONDS)}s`;
}

function environment({ settings, probers }: TemplateInput): readonly JsonMap[] {
  const fromPod = (name: string, fieldPath: string): JsonMap => ({ name, valueFrom: { fieldRef: { fieldPath } } });
  const { proxyMetadata } = settings.proxyConfig;
  const values = { ...shutdown(settings), ...proxyMetadata, ...(probers === undefined ? {} : { [PROBERS_VARIABLE]: probers }) };
  return [
    fromPod('POD_NAME', 'metadata.name'),
    fromPod('POD_NAMESPACE', 'metadata.namespace'),
    fromPod('INSTANCE_IP', 'status.podIP'),
    fromPod('SERVICE_ACCOUNT', 'spec.serviceAccountName'),
    { name: 'OUTRIDER_LABELS_FILE', value: `${POD_FOLDER}/labels` },
    { name: 'ISTIO_META_INTERCEPTION_MODE', value: settings.interception.args === undefined ? 'NONE' : 'REDIRECT' },
    ...Object.entries(values).map(([name, value]) => ({ name, value })),
  ];
}

/**
 * An ordinary container is told to end at the same moment as the application, which may still need it: it goes on until
 * nobody is connected any more. A native sidecar is told when the application has gone.
 */
function shutdown({ nativeSidecar }: ProxySettings): Readonly<Record<string, string>> {
  return nativeSidecar ? {} : { EXIT_ON_ZERO_ACTIVE_CONNECTIONS: 'true' };
}

function healthProbes({ healthPort, readiness }: ProxySettings): JsonMap {
  if (healthPort === 'off') return {};
  const httpGet: JsonMap = { path: '/healthz/ready', port: healthPort };
  return {
    startupProbe: { httpGet, initialDelaySeconds: 0, periodSeconds: 1, timeoutSeconds: 3, failureThreshold: 600 },
    readinessProbe: { httpGet, ...readiness, timeoutSeconds: 3 },
  };
}

function certsSecret({ template, options }: TemplateInput): string | undefined {
  if (options.certsSecret === 'off') return undefined;
  const account = textAt(template.spec, 'serviceAccountName') ?? textAt(template.spec, 'serviceAccount');
  return options.certsSecret.replaceAll('{serviceAccount}', account === undefined || account === '' ? 'default' : account);
}

/** Names of what was added, as Istio's status annotation lists them. */
export function status(added: { readonly initContainers: readonly JsonMap[]; readonly containers: readonly JsonMap[]; readonly volumes: readonly JsonMap[] }): string {
  const names = (list: readonly JsonMap[]): readonly Json[] => list.map(({ name }) => name ?? null);
  return JSON.stringify({ initContainers: names(added.initContainers), containers: names(added.containers), volumes: names(added.volumes), imagePullSecrets: null });
}
