/** `credentialName` → the name under which the runtime configuration has the secret. */

import type { SecretReference } from '../runtime/tls.ts';

/** `kubernetes://NAMESPACE/NAME` */
export const SECRET = 'kubernetes://';
/** `configmap://NAMESPACE/NAME`: authorities only. */
export const CONFIG_MAP = 'configmap://';

/** `kubernetes://NAMESPACE/NAME`: always of the proxy's own namespace, whatever a written one says; a ConfigMap is of the namespace it names. */
export function secretReference(credentialName: string, namespace: string): SecretReference {
  return { kind: 'secret', name: secretName(credentialName, namespace) };
}

export function isConfigMap(credentialName: string): boolean {
  return credentialName.startsWith(CONFIG_MAP);
}

function secretName(credentialName: string, namespace: string): string {
  if (isConfigMap(credentialName)) return credentialName;
  const written = credentialName.startsWith(SECRET) ? credentialName.slice(SECRET.length) : credentialName;
  return `${SECRET}${namespace}/${written.slice(written.lastIndexOf('/') + 1)}`;
}
