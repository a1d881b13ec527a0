/** How connections to a cluster are secured: what a DestinationRule says, else automatic mutual TLS (istio-api.md 3.8, 8.3). */

import type { ClientTlsSettings } from '../resources/traffic-policy/types.ts';
import type { Origin } from '../runtime/origin.ts';
import type { ClientTlsConfig, SecretReference, TrustReference } from '../runtime/tls.ts';
import type { CompileContext } from './context.ts';
import type { EffectiveRule } from './destination-rules.ts';
import type { LabelledEndpoint } from './endpoints.ts';
import { isEmpty } from './labels.ts';
import type { Located } from './located.ts';
import { below, originAt, problemAt } from './located.ts';
import { meshTlsParameters, tlsParameters, withAliases } from './mesh-tls.ts';
import type { MeshPort, MeshService } from './mesh-service.ts';
import { peerOrigin } from './peer-authentication.ts';
import { isConfigMap, secretReference } from './secret-reference.ts';
import type { EffectivePolicy } from './traffic-policy.ts';

export interface SecuredCluster {
  readonly service: MeshService;
  readonly port: MeshPort;
  readonly subset: string;
  readonly rule: EffectiveRule | undefined;
  readonly policy: EffectivePolicy;
  /** Of the whole service, whatever subset this is. */
  readonly endpoints: readonly LabelledEndpoint[];
}

/** One for each compilation: what is wrong with a block is said once, however many clusters have it. */
export interface ClusterTls {
  of(cluster: SecuredCluster): ClientTlsConfig;
}

export type ClusterTlsInput = Pick<CompileContext, 'node' | 'mesh' | 'peerAuthentications' | 'report'>;

export const NO_TLS: ClientTlsConfig = { mode: 'DISABLE', origin: 'default' };
/** Without a certificate of its own the workload sends plain text, as to endpoints without a sidecar. */
const AUTO_WITHOUT_IDENTITY: ClientTlsConfig = { mode: 'AUTO', origin: 'default' };

export function clusterTls(input: ClusterTlsInput): ClusterTls {
  const reported = new Set<ClientTlsSettings>();
  return {
    of: (cluster) => {
      const { tls } = cluster.policy;
      if (tls === undefined) return automatic(cluster, input);
      const isNew = !reported.has(tls.value);
      reported.add(tls.value);
      return written(tls, cluster, isNew ? input : { ...input, report: () => {} });
    },
  };
}

/** Per endpoint where there is a choice of endpoints; where the downstream has chosen, only if all of them have a sidecar. */
function automatic(cluster: SecuredCluster, input: ClusterTlsInput): ClientTlsConfig {
  const { service, policy, endpoints } = cluster;
  const { mesh, node, peerAuthentications } = input;
  if (service.external || !mesh.autoMtls) return NO_TLS;
  const ofNamespace = peerAuthentications.namespaceMode(service.namespace);
  if (ofNamespace.mode === 'DISABLE') return { mode: 'DISABLE', origin: peerOrigin(ofNamespace) };
  if (node.hasIdentity !== true) return AUTO_WITHOUT_IDENTITY;
  if (!isChosenByDownstream(service, policy)) return istioMutual('AUTO', 'default', {}, cluster, input);
  const all = endpoints.length > 0 && endpoints.every(({ endpoint }) => endpoint.tlsMode === 'istio');
  return all ? istioMutual('ISTIO_MUTUAL', 'default', {}, cluster, input) : NO_TLS;
}

function isChosenByDownstream({ headless, resolution }: MeshService, { loadBalancer }: EffectivePolicy): boolean {
  return headless || resolution === 'NONE' || resolution === 'DYNAMIC_DNS' || loadBalancer?.value.simple === 'PASSTHROUGH';
}

function written(tls: Located<ClientTlsSettings>, cluster: SecuredCluster, input: ClusterTlsInput): ClientTlsConfig {
  const { mode = 'DISABLE', credentialName = '' } = tls.value;
  const origin = originAt(tls.value.mode === undefined ? tls : below(tls, 'mode'));
  if (mode === 'DISABLE') return { mode, origin };
  if (mode === 'ISTIO_MUTUAL') return istioMutual(mode, origin, tls.value, cluster, input);
  if (credentialName !== '' && !mayUseSecret(cluster, input)) {
    input.report(problemAt(below(tls, 'credentialName'), 'warning', 'a sidecar uses credentialName only in a rule with a workloadSelector: these TLS settings are dropped, as in Istio, and connections are in plain text'));
    return { mode: 'DISABLE', origin };
  }
  if (mode === 'MUTUAL' && isConfigMap(credentialName)) input.report(problemAt(below(tls, 'credentialName'), 'warning', 'a ConfigMap holds authorities only: there is no certificate to show, and connections fail; use a Secret'));
  return oneSided(mode, origin, tls.value, cluster, input);
}

/** Of its own namespace only, and a sidecar only where the rule is for chosen workloads, so that not everybody needs the secret. */
function mayUseSecret({ rule }: SecuredCluster, { node }: ClusterTlsInput): boolean {
  return node.mode === 'gateway' || !isEmpty(rule?.resource.spec.workloadSelector?.matchLabels);
}

/** The workload's certificate, the mesh's authorities, and the identities of those who serve. */
function istioMutual(mode: 'AUTO' | 'ISTIO_MUTUAL', origin: Origin | 'default', { sni = '', subjectAltNames = [] }: ClientTlsSettings, { service, port, subset, endpoints }: SecuredCluster, { node, mesh }: ClusterTlsInput): ClientTlsConfig {
  const names = subjectAltNames.length > 0 ? subjectAltNames : (service.subjectAltNames ?? withAliases(identitiesOf(endpoints), node.trustDomain, mesh));
  return {
    mode,
    origin,
    ...meshTlsParameters(mesh.meshTls),
    identity: { kind: 'workload' },
    trust: { kind: 'workload' },
    sni: sni === '' ? `outbound_.${port.number}_.${subset}_.${service.host}` : sni,
    ...(names.length > 0 && { subjectAltNames: names }),
  };
}

function identitiesOf(endpoints: readonly LabelledEndpoint[]): ReadonlySet<string> {
  return new Set(endpoints.flatMap(({ endpoint: { identity } }) => identity ?? []));
}

/** SIMPLE and MUTUAL. Without a server name or names to look for, the request's host is both. */
function oneSided(mode: 'SIMPLE' | 'MUTUAL', origin: Origin, tls: ClientTlsSettings, { service }: SecuredCluster, { node, mesh }: ClusterTlsInput): ClientTlsConfig {
  const { sni = '', insecureSkipVerify = false, credentialName = '', clientCertificate: certificate, privateKey: key } = tls;
  const secret = credentialName === '' ? undefined : secretReference(credentialName, node.namespace);
  const identity: SecretReference = secret ?? { kind: 'files', ...(certificate !== undefined && { certificate }), ...(key !== undefined && { key }) };
  const names = (tls.subjectAltNames ?? []).length > 0 ? tls.subjectAltNames : service.subjectAltNames;
  const verified = { trust: secret ?? writtenTrust(tls), ...(names !== undefined ? { subjectAltNames: names } : sni === '' ? { checkHost: true } : {}) };
  return { mode, origin, ...tlsParameters(mesh.tlsDefaults), ...(mode === 'MUTUAL' && { identity }), ...(!insecureSkipVerify && verified), ...(sni !== '' && { sni }) };
}

/** Absent: the operating system's authorities. */
function writtenTrust({ caCertificates: authorities = '', caCrl: revoked = '' }: ClientTlsSettings): TrustReference {
  if (authorities === '' || authorities === 'system') return { kind: 'system' };
  return { kind: 'files', authorities, ...(revoked !== '' && { revoked }) };
}
