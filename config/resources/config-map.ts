/** Kubernetes ConfigMap, as far as TLS reads it: certificate authorities that resources name as `configmap://NAMESPACE/NAME`. */

import type { KindParser } from './kind.ts';
import { documentKind } from './kind.ts';
import type { Schema } from './schema.ts';
import { map, openObject, text } from './schema.ts';

export interface ConfigMapBody {
  /** Key → text. */
  readonly data: Readonly<Record<string, string>>;
}

/** Keys of authorities and of their revocation lists. */
const READ_KEYS = ['ca.crt', 'cacert', 'ca.crl', 'crl'] as const;

const written: Schema<{ readonly data?: Readonly<Record<string, string>> }> = openObject<{ readonly data?: Readonly<Record<string, string>> }>({ data: map(text) });

/** Only what is read is kept: a ConfigMap may hold a whole snapshot. */
export const configMap: KindParser<ConfigMapBody> = documentKind(
  { kind: 'ConfigMap', apiVersions: ['v1'] },
  written.transform(({ data = {} }) => ({ data: Object.fromEntries(READ_KEYS.flatMap((key) => (Object.hasOwn(data, key) ? [[key, data[key] as string] as const] : []))) })),
);

/** False for those that no resource can name as authorities. */
export function holdsAuthorities(document: Readonly<Record<string, unknown>>): boolean {
  const { data } = document;
  return typeof data === 'object' && data !== null && (Object.hasOwn(data, 'ca.crt') || Object.hasOwn(data, 'cacert'));
}
