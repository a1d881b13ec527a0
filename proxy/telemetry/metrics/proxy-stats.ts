/** Envoy's names for the counters and gauges of clusters and listeners, derived from the fields that hold them. */

import { ClusterStats, ListenerStats, OutlierStats } from '../stats.ts';

/** One counter or gauge of an `Entity`. */
export interface Stat<Entity> {
  /** `upstream_rq_2xx`: the end of the name at /stats. */
  readonly name: string;
  /** `upstream_rq`: the end of the Prometheus name; response classes share one and differ by a label (Istio's tag rules). */
  readonly family: string;
  /** `2xx`, for a count of one response class. */
  readonly responseClass: string | undefined;
  readonly kind: 'counter' | 'gauge';
  readonly read: (entity: Entity) => number;
}

/** A stats object: its fields are numbers and nothing else. */
type Counts<Stats> = { readonly [Field in keyof Stats]: number };

/** `cluster.<name>.*`, sorted by name. */
export const CLUSTER_STATS: readonly Stat<ClusterStats>[] = statsOf(new ClusterStats(), { rename: { sslSecretsNotReady: 'client_ssl_socket_factory.upstream_context_secrets_not_ready' } });
/** `cluster.<name>.outlier_detection.*`, sorted by name. */
export const OUTLIER_STATS: readonly Stat<OutlierStats>[] = statsOf(new OutlierStats(), { scope: 'outlier_detection' });
/** What happens before it is known who speaks with a connection. */
const BEFORE_HTTP: ReadonlySet<string> = new Set([
  'downstream_cx_proxy_proto_error', 'downstream_listener_filter_error', 'downstream_listener_filter_remote_close', 'downstream_pre_cx_active', 'downstream_pre_cx_timeout', 'no_filter_chain_match',
]);
const ALL_LISTENER_STATS = statsOf(new ListenerStats(), { rename: { sslSecretsNotReady: 'server_ssl_socket_factory.downstream_context_secrets_not_ready' } });
/** `http.<prefix>.*`, sorted by name. */
export const HTTP_STATS: readonly Stat<ListenerStats>[] = ALL_LISTENER_STATS.filter(({ name }) => !BEFORE_HTTP.has(name) && !isTls(name));
/** `listener.<address>.*`: the connections, and what became of them before HTTP. */
export const LISTENER_STATS: readonly Stat<ListenerStats>[] = ALL_LISTENER_STATS.filter(
  ({ name }) => name === 'downstream_cx_active' || name === 'downstream_cx_total' || BEFORE_HTTP.has(name) || isTls(name),
);

/** Sets every counter to zero and leaves the gauges, as Envoy's /reset_counters does. */
export function resetCounters(stats: ClusterStats | ListenerStats | OutlierStats): void {
  for (const field of Object.keys(stats)) if (kindOf(field) === 'counter') Reflect.set(stats, field, 0);
}

/** Something was counted or is open: what nobody used is left out of /stats. */
export function isUsed<Stats>(stats: Stats, definitions: readonly Stat<Stats>[]): boolean {
  return definitions.some(({ read }) => read(stats) !== 0);
}

interface Naming<Stats> {
  /** Stands between the entity's name and that of the stat. */
  readonly scope?: string;
  /** Fields whose name is not the stat's. */
  readonly rename?: { readonly [Field in keyof Stats]?: string };
}

function statsOf<Stats extends Counts<Stats>>(sample: Stats, naming: Naming<Stats> = {}): readonly Stat<Stats>[] {
  const fields = Object.keys(sample) as (keyof Stats & string)[];
  return fields.map((field) => statOf<Stats>(field, naming)).sort((left, right) => (left.name < right.name ? -1 : 1));
}

function statOf<Stats extends Counts<Stats>>(field: keyof Stats & string, { scope, rename }: Naming<Stats>): Stat<Stats> {
  const kind = kindOf(field);
  const read = (stats: Stats): number => stats[field];
  const renamed = rename?.[field];
  if (renamed !== undefined) return { name: renamed, family: renamed.replaceAll('.', '_'), responseClass: undefined, kind, read };
  const words = field.replaceAll(/[A-Z]|\d(?=xx)/g, (mark) => `_${mark.toLowerCase()}`);
  const responseClass = /_rq_(\dxx)$/.exec(words)?.[1];
  const family = responseClass === undefined ? words : words.slice(0, -responseClass.length - 1);
  // A filter's stats are a scope of their own: `fault.delays_injected`.
  const name = words.replace(/^(fault|ssl)_/, '$1.');
  if (scope === undefined) return { name, family, responseClass, kind, read };
  return { name: `${scope}.${name}`, family: `${scope}_${family}`, responseClass, kind, read };
}

/** What becomes of handshakes is the listener's, whoever speaks afterwards. */
function isTls(name: string): boolean {
  return name.startsWith('ssl.') || name.startsWith('server_ssl_socket_factory.');
}

function kindOf(field: string): 'counter' | 'gauge' {
  return field.endsWith('Active') || field.endsWith('ActiveFaults') ? 'gauge' : 'counter';
}
