/** Label selectors, and an index that answers them without looking at every workload. */

import { compareText } from './order.ts';

export type Labels = Readonly<Record<string, string>>;

/** True if every label of `selector` is on `labels` with the same value; an empty or absent selector selects everything. */
export function selects(selector: Labels | undefined, labels: Labels): boolean {
  for (const key in selector) if (labels[key] !== selector[key]) return false;
  return true;
}

export function isEmpty(selector: Labels | undefined): boolean {
  for (const _ in selector) return false;
  return true;
}

/** A copy in key order: equal label sets must serialise equally. */
export function sortedLabels(labels: Labels): Labels {
  return Object.fromEntries(Object.entries(labels).sort(([a], [b]) => compareText(a, b)));
}

/** Workloads of one kind by namespace and label, in the order they were given. */
export class LabelIndex<T> {
  readonly #byLabel = new Map<string, T[]>();
  readonly #labelsOf: (item: T) => Labels;

  constructor(items: Iterable<T>, namespaceOf: (item: T) => string, labelsOf: (item: T) => Labels) {
    this.#labelsOf = labelsOf;
    for (const item of items) {
      const labels = labelsOf(item);
      for (const key in labels) this.#add(labelKey(namespaceOf(item), key, labels[key] as string), item);
    }
  }

  /** Items of `namespace` with all labels of `selector`, which must not be empty. */
  select(namespace: string, selector: Labels): readonly T[] {
    let fewest: readonly T[] | undefined;
    for (const key in selector) {
      const candidates = this.#byLabel.get(labelKey(namespace, key, selector[key] as string)) ?? [];
      if (fewest === undefined || candidates.length < fewest.length) fewest = candidates;
    }
    return (fewest ?? []).filter((item) => selects(selector, this.#labelsOf(item)));
  }

  #add(key: string, item: T): void {
    const items = this.#byLabel.get(key);
    if (items === undefined) this.#byLabel.set(key, [item]);
    else items.push(item);
  }
}

function labelKey(namespace: string, key: string, value: string): string {
  return `${namespace}/${key}=${value}`;
}
