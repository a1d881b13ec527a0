/** How a Gateway server terminates TLS: its mode, and where certificates and authorities come from (istio-api.md 4.3). */

import type { ServerTlsSettings } from '../resources/server-tls.ts';
import type { SecretReference, ServerTlsConfig, TrustReference } from '../runtime/tls.ts';
import type { CompileContext } from './context.ts';
import type { GatewayServer } from './gateway-servers.ts';
import { below, originAt, problemAt } from './located.ts';
import { inboundTls } from './mesh-tls.ts';
import { secretReference } from './secret-reference.ts';
import { clientRules, fileAuthorities, fileIdentities, serverTlsParameters, writtenServerTls } from './written-server-tls.ts';

/** Undefined where TLS is passed through: PASSTHROUGH (what is meant without a mode) and AUTO_PASSTHROUGH. */
export function gatewayTls({ server, place }: GatewayServer, kind: 'http' | 'tcp', context: CompileContext): ServerTlsConfig | undefined {
  const { node, mesh } = context;
  const settings = server.tls ?? {};
  const origin = originAt(below(place, 'tls'));
  if (settings.mode === 'ISTIO_MUTUAL') return { ...inboundTls(node.trustDomain, mesh)[kind], ...serverTlsParameters(settings, mesh), ...clientRules(settings), origin };
  const trust = trustOf(settings, node.namespace);
  if (settings.mode === 'OPTIONAL_MUTUAL' && trust === undefined) {
    context.report(problemAt(below(place, 'tls'), 'warning', 'mode OPTIONAL_MUTUAL without caCertificates or caCertCredentialName: there is nothing to verify clients with, so they are not asked for a certificate'));
  }
  return writtenServerTls({ settings, kind, mesh, origin, identities: identitiesOf(settings, node.namespace), trust });
}

function identitiesOf(settings: ServerTlsSettings, namespace: string): readonly SecretReference[] {
  const names = credentialsOf(settings);
  return names.length > 0 ? names.map((name) => secretReference(name, namespace)) : fileIdentities(settings);
}

/** `caCertCredentialName` before the authorities that come with the certificate's secret. */
function trustOf(settings: ServerTlsSettings, namespace: string): TrustReference | undefined {
  const { caCertCredentialName = '', caCertificates = '' } = settings;
  const [credential] = credentialsOf(settings);
  const secret = caCertCredentialName === '' ? credential : caCertCredentialName;
  if (secret !== undefined) return secretReference(secret, namespace);
  return caCertificates === '' ? undefined : fileAuthorities(settings);
}

function credentialsOf({ credentialName = '', credentialNames = [] }: ServerTlsSettings): readonly string[] {
  return credentialName === '' ? credentialNames : [credentialName];
}
