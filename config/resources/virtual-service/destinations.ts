/** Weighted destinations of HTTP, TLS and TCP routes. */

import type { Report, Schema } from '../schema.ts';
import { integer, list, object } from '../schema.ts';
import { destination } from '../values.ts';
import { headers } from './headers.ts';
import type { HttpRouteDestination, RouteDestination } from './types.ts';

const weight = integer(0, 0x7f_ff_ff_ff);

export const httpDestinations: Schema<readonly HttpRouteDestination[]> = list(
  object<HttpRouteDestination>({ destination, weight, headers }, { required: ['destination'] }),
  { check: checkWeights },
);

export const l4Destinations: Schema<readonly RouteDestination[]> = list(
  object<RouteDestination>({ destination, weight }, { required: ['destination'] }),
  { min: 1, check: checkWeights },
);

/** A single destination gets everything, whatever its weight. */
function checkWeights(destinations: readonly { readonly weight?: number }[], report: Report): void {
  if (destinations.length < 2) return;
  const total = destinations.reduce((sum, entry) => sum + (entry.weight ?? 0), 0);
  if (total === 0) report.error([], 'the weights of several destinations must not all be 0; set weight');
  if (total > 0xff_ff_ff_ff) report.error([], `the weights sum to ${total}, more than 4294967295`);
}
