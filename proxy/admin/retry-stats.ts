/** Envoy's `cluster.<name>.retry.*`: the answers that were given up for another try, by status. Like there, a stat is listed from its first answer on. */

import type { ClusterView } from './view.ts';
import type { ViewStat } from './view-stat.ts';

type Answers = ReadonlyMap<number, number>;

/** Empty where nothing was retried. */
export function retryStats(clusters: readonly ClusterView[]): readonly ViewStat<ClusterView>[] {
  const statuses = new Set(clusters.flatMap(({ retried }) => [...(retried?.keys() ?? [])]));
  if (statuses.size === 0) return [];
  const classes = new Set([...statuses].map(classOf));
  return [counter('completed', undefined, () => true), ...Array.from(classes, countOfClass), ...Array.from(statuses, countOfStatus)];
}

function countOfClass(responseClass: string): ViewStat<ClusterView> {
  return counter(responseClass, responseClass, (status) => classOf(status) === responseClass);
}

/** Istio's tag rules leave a single status in the name. */
function countOfStatus(status: number): ViewStat<ClusterView> {
  return counter(String(status), undefined, (other) => other === status);
}

function counter(word: string, responseClass: string | undefined, counts: (status: number) => boolean): ViewStat<ClusterView> {
  const family = responseClass === undefined ? `retry_upstream_rq_${word}` : 'retry_upstream_rq';
  return { name: `retry.upstream_rq_${word}`, family, responseClass, kind: 'counter', read: ({ retried }) => sum(retried, counts) };
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
