/**
 * How much of the traffic each priority gets, and which of them stop caring about health: pure functions over counts of
 * hosts (Envoy: LoadBalancerBase, overprovisioning factor 1.4, loads in whole percent).
 */

/** One priority, preferred first in every list of them. */
export interface PriorityHealth {
  readonly hosts: number;
  readonly healthy: number;
}

export interface PriorityPlan {
  /** Whole percent per priority; together 100, but for an empty list. */
  readonly loads: readonly number[];
  /** True where all hosts of the priority are used, sick ones too. */
  readonly panic: readonly boolean[];
}

/** A priority takes all its load as long as 100 / 1.4 = 71.4 % of its hosts are healthy. */
const OVERPROVISIONING_PERCENT = 140;

/**
 * Splits the load. `panicThresholdPercent` is the share of healthy hosts below which a priority panics, unless all
 * priorities together can still take the whole load; 0: never.
 */
export function planPriorities(priorities: readonly PriorityHealth[], panicThresholdPercent: number): PriorityPlan {
  const availability = priorities.map(availabilityOf);
  const total = Math.min(100, sum(availability));
  const panic = priorities.map(({ hosts, healthy }) => total < 100 && (hosts === 0 ? 0 : (100 * healthy) / hosts) < panicThresholdPercent);
  if (panic.every(Boolean)) return { loads: loadsBySize(priorities), panic };
  if (total > 0) return { loads: loadsByAvailability(availability), panic };
  // Nothing is left anywhere: the first priority gets the requests that nobody can take.
  return { loads: priorities.map((_, i) => (i === 0 ? 100 : 0)), panic };
}

/**
 * Loads of a retry that keeps away from the `excluded` priorities (Envoy: previous_priorities): as if those had no healthy
 * host. Undefined where nothing else could take the request.
 */
export function loadsWithout(priorities: readonly PriorityHealth[], excluded: (index: number) => boolean): readonly number[] | undefined {
  const availability = priorities.map((priority, i) => (excluded(i) ? 0 : availabilityOf(priority)));
  return sum(availability) > 0 ? loadsByAvailability(availability) : undefined;
}

/** Share of a full load that a set of hosts can take, in 0..1 (Envoy: overprovisioning; the same factor for localities). */
export function availableShare({ hosts, healthy }: PriorityHealth): number {
  return hosts === 0 ? 0 : Math.min(1, ((OVERPROVISIONING_PERCENT / 100) * healthy) / hosts);
}

/** Whole percent, rounded down as Envoy does: at 71 % healthy it is 99. */
function availabilityOf({ hosts, healthy }: PriorityHealth): number {
  return hosts === 0 ? 0 : Math.min(100, Math.floor((OVERPROVISIONING_PERCENT * healthy) / hosts));
}

/** Each takes what it can, in order; what rounding leaves over goes to the first that can take anything. */
function loadsByAvailability(availability: readonly number[]): readonly number[] {
  const total = Math.min(100, sum(availability));
  let left = 100;
  const loads = availability.map((available) => {
    const load = Math.min(left, Math.floor((available * 100) / total));
    left -= load;
    return load;
  });
  const first = availability.findIndex((available) => available > 0);
  return loads.map((load, i) => (i === first ? load + left : load));
}

/** All panic: by number of hosts, whatever their health. */
function loadsBySize(priorities: readonly PriorityHealth[]): readonly number[] {
  const total = sum(priorities.map(({ hosts }) => hosts));
  if (total === 0) return priorities.map((_, i) => (i === 0 ? 100 : 0));
  const loads = priorities.map(({ hosts }) => Math.floor((100 * hosts) / total));
  const first = priorities.findIndex(({ hosts }) => hosts > 0);
  const left = 100 - sum(loads);
  return loads.map((load, i) => (i === first ? load + left : load));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
