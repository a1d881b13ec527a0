/** SPIFFE identities of a mesh: `spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT` (istio-api.md 15.1). */

export interface SpiffeIdentity {
  readonly trustDomain: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

const SCHEME = 'spiffe://';
const WORKLOAD_PATH = /^\/ns\/([^/]+)\/sa\/([^/]+)$/;
/** SPIFFE-ID 2.1: lower-case letters, digits, dots, dashes and underscores. */
const TRUST_DOMAIN = /^[a-z0-9._-]{1,255}$/;

/** Undefined unless it is exactly of the mesh's form. */
export function parseSpiffe(uri: string): SpiffeIdentity | undefined {
  const trustDomain = trustDomainOf(uri);
  if (trustDomain === undefined) return undefined;
  const [, namespace, serviceAccount] = WORKLOAD_PATH.exec(uri.slice(SCHEME.length + trustDomain.length)) ?? [];
  return namespace === undefined || serviceAccount === undefined ? undefined : { trustDomain, namespace, serviceAccount };
}

export function renderSpiffe({ trustDomain, namespace, serviceAccount }: SpiffeIdentity): string {
  return `${SCHEME}${trustDomain}/ns/${namespace}/sa/${serviceAccount}`;
}

/** Of any SPIFFE identity, whatever its path. Undefined for other URIs. */
export function trustDomainOf(uri: string): string | undefined {
  if (!uri.startsWith(SCHEME)) return undefined;
  const end = uri.indexOf('/', SCHEME.length);
  const trustDomain = uri.slice(SCHEME.length, end === -1 ? undefined : end);
  return TRUST_DOMAIN.test(trustDomain) ? trustDomain : undefined;
}
