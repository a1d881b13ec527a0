/** Stats of secrets: when certificates expire, and how often a newer one was refused. */

import type { SecretsView } from '../identity/secrets.ts';
import type { StatGroup } from './view-stat.ts';

/** One certificate, or one secret. */
export interface SecretStat {
  readonly name: string;
  readonly value: number;
}

/** `ssl.certificate.<name>.expiration_unix_time_seconds`, Envoy's name; authorities stand under `<name>/ROOTCA`. The soonest of each counts. */
export function expirationGroup(secrets: SecretsView | undefined): StatGroup<SecretStat> {
  const soonest = new Map<string, number>();
  for (const { name, use, validTo } of secrets?.certificates ?? []) {
    const key = use === 'identity' ? name : `${name}/ROOTCA`;
    soonest.set(key, Math.min(validTo, soonest.get(key) ?? Infinity));
  }
  return group('ssl.certificate', 'ssl_certificate', 'expiration_unix_time_seconds', 'gauge', soonest);
}

/** `sds.<name>.key_rotation_failed`. */
export function rotationGroup(secrets: SecretsView | undefined): StatGroup<SecretStat> {
  return group('sds', 'secret', 'key_rotation_failed', 'counter', new Map(Object.entries(secrets?.rotationsFailed ?? {})));
}

function group(scope: string, label: string, name: string, kind: 'counter' | 'gauge', values: ReadonlyMap<string, number>): StatGroup<SecretStat> {
  const entities = Array.from(values, ([entity, value]) => ({ name: entity, value }));
  return { scope, label, entities, nameOf: (entity) => entity.name, stats: [{ name, family: name, responseClass: undefined, kind, read: ({ value }) => value }] };
}
