/** TLS between workloads of the mesh: whose certificates, which versions, which identities (istio-api.md 8.2, 8.3). */

import type { MeshTls } from '../resources/mesh-config/types.ts';
import { configurableCiphers } from '../resources/server-tls.ts';
import type { ServerTlsConfig, TlsParameters } from '../runtime/tls.ts';
import { OFFERED_HTTP, OFFERED_TCP } from './application-protocols.ts';
import type { InboundTls } from './inbound-chains.ts';
import type { MeshSettings } from './mesh.ts';

/** Who has no certificate of the mesh is not let in. */
function meshServerTls(kind: 'http' | 'tcp', trustDomain: string, mesh: MeshSettings): ServerTlsConfig {
  return {
    mode: 'ISTIO_MUTUAL',
    ...meshTlsParameters(mesh.meshTls),
    identities: [{ kind: 'workload' }],
    clientCertificate: 'required',
    trust: { kind: 'workload' },
    trustDomains: trustDomains(trustDomain, mesh),
    alpn: kind === 'http' ? OFFERED_HTTP : OFFERED_TCP,
  };
}

/** Both kinds of inbound ports. */
export function inboundTls(trustDomain: string, mesh: MeshSettings): InboundTls {
  return { http: meshServerTls('http', trustDomain, mesh), tcp: meshServerTls('tcp', trustDomain, mesh) };
}

/** `meshMTLS` may raise the oldest version, and choose ciphers and curves. */
export function meshTlsParameters({ minProtocolVersion, ...chosen }: MeshTls): TlsParameters {
  return { ...tlsParameters(chosen), minVersion: minProtocolVersion === 'TLSV1_3' ? 'TLSv1.3' : 'TLSv1.2' };
}

/** TLS with peers outside the mesh; of `tlsDefaults` Istio reads ciphers and curves alone. */
export function tlsParameters({ cipherSuites: written = [], ecdhCurves = [] }: MeshTls): TlsParameters {
  const cipherSuites = configurable(written);
  return {
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.3',
    ...(cipherSuites.length > 0 && { cipherSuites }),
    ...(ecdhCurves.length > 0 && { curves: ecdhCurves }),
  };
}

/** What is no suite, or is there twice, has been warned about. */
export function configurable(cipherSuites: readonly string[]): readonly string[] {
  return [...new Set(cipherSuites)].filter((suite) => configurableCiphers.has(suite));
}

/** The workload's own first. */
function trustDomains(own: string, { trustDomainAliases }: MeshSettings): readonly string[] {
  return [...new Set([own, ...trustDomainAliases])];
}

/** `spiffe://cluster.local/ns/default/sa/reviews` */
export function spiffeIdentity(trustDomain: string, namespace: string, serviceAccount: string): string {
  return `spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}`;
}

/** Each identity of the mesh's own trust domain in its aliases too: what workloads show while a mesh moves from one to the other. */
export function withAliases(identities: Iterable<string>, own: string, { trustDomainAliases }: MeshSettings): readonly string[] {
  const prefix = `spiffe://${own}/`;
  const all = new Set<string>();
  for (const identity of identities) {
    all.add(identity);
    if (identity.startsWith(prefix)) for (const alias of trustDomainAliases) all.add(`spiffe://${alias}/${identity.slice(prefix.length)}`);
  }
  return [...all].sort();
}
