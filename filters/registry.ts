/** Name → factory, and THE order in which filters stand on a request, with the reason on each line. */

import type { FilterSpec } from '../config/runtime/filter-spec.ts';
import type { Filter, FilterDeps, FilterFactory } from './filter.ts';
import { createCors, type CorsPolicy } from './http/cors.ts';
import { createFault, type FaultPolicy } from './http/fault.ts';

interface Registration {
  readonly name: string;
  /** The spec's policy is the plain data that `config/compile` built in the shape the factory's Policy type declares. */
  readonly create: (policy: unknown, deps: FilterDeps) => Filter | undefined;
}

/**
 * First line sees the request first and the response last. Istio's order
 * (`pilot/pkg/networking/core/listener_builder.go`): … fault, CORS, telemetry, router.
 */
const REGISTRY: readonly Registration[] = [
  // Stands for the network and the service behind it, so it comes before whatever would answer without them: a preflight, too, is delayed or aborted.
  register<FaultPolicy>('fault', createFault),
  // Answers preflights before anything is spent on an upstream, and sees every answer on its way out, our own included.
  register<CorsPolicy>('cors', createCors),
];

/** Registered names, in order. */
export const FILTER_NAMES: readonly string[] = REGISTRY.map(({ name }) => name);

/**
 * The filters that have something to do, in registry order whatever the order of `specs`.
 * @throws on a name that is not registered: the configuration and this list come from one build.
 */
export function createFilters(specs: readonly FilterSpec[], deps: FilterDeps): Filter[] {
  for (const { name } of specs) if (!FILTER_NAMES.includes(name)) throw new TypeError(`no filter is named ${JSON.stringify(name)}`);
  const filters: Filter[] = [];
  for (const { name, create } of REGISTRY) {
    for (const spec of specs) {
      const filter = spec.name === name ? create(spec.policy, deps) : undefined;
      if (filter !== undefined) filters.push(filter);
    }
  }
  return filters;
}

function register<Policy>(name: string, factory: FilterFactory<Policy>): Registration {
  return { name, create: (policy, deps) => factory(policy as Policy, deps) };
}
