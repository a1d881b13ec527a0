/**
 * Envoy's counters of answers by status: `cluster.<name>.upstream_rq_503` for those that were passed on, and
 * `cluster.<name>.retry.upstream_rq_503` for those that were given up for another try. Like there, a stat is listed from
 * its first answer on.
 */

import type { ClusterView } from './view.ts';
import type { ViewStat } from './view-stat.ts';

type Answers = ReadonlyMap<number, number>;

/** Empty where nothing was answered. */
export function statusStats(clusters: readonly ClusterView[]): readonly ViewStat<ClusterView>[] {
  return [...answeredStats(clusters), ...retryStats(clusters)];
}

/** Classes and sum are counters of every cluster. */
function answeredStats(clusters: readonly ClusterView[]): readonly ViewStat<ClusterView>[] {
  const statuses = new Set(clusters.flatMap(({ answered }) => [...(answered?.keys() ?? [])]));
  return Array.from(statuses, (status) => ({ name: `upstream_rq_${status}`, family: 'upstream_rq', responseClass: undefined, responseCode: status, kind: 'counter', read: ({ answered }) => answered?.get(status) }));
}

function retryStats(clusters: readonly ClusterView[]): readonly ViewStat<ClusterView>[] {
  const statuses = new Set(clusters.flatMap(({ retried }) => [...(retried?.keys() ?? [])]));
  if (statuses.size === 0) return [];
  const classes = new Set([...statuses].map(classOf));
  return [
    counter('completed', { family: 'retry_upstream_rq_completed' }, () => true),
    ...Array.from(classes, (responseClass) => counter(responseClass, { responseClass }, (status) => classOf(status) === responseClass)),
    ...Array.from(statuses, (status) => counter(String(status), { responseCode: status }, (other) => other === status)),
  ];
}

function counter(word: string, tags: Partial<Pick<ViewStat<ClusterView>, 'family' | 'responseClass' | 'responseCode'>>, counts: (status: number) => boolean): ViewStat<ClusterView> {
  return { name: `retry.upstream_rq_${word}`, family: 'retry_upstream_rq', responseClass: undefined, ...tags, kind: 'counter', read: ({ retried }) => sum(retried, counts) };
}

/** Undefined where there never was one. */
function sum(retried: Answers | undefined, counts: (status: number) => boolean): number | undefined {
  let total: number | undefined;
  for (const [status, answers] of retried ?? []) if (counts(status)) total = (total ?? 0) + answers;
  return total;
}

function classOf(status: number): string {
  return `${Math.floor(status / 100)}xx`;
}
