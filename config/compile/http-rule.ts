/** One `http` route of a VirtualService as it applies: after delegation, with the place each part was written. */

import type { HttpMatchRequest, HttpRoute } from '../resources/virtual-service/types.ts';
import type { Origin } from '../runtime/origin.ts';
import type { Place } from './located.ts';
import { below, originAt } from './located.ts';

export interface HttpRule {
  /** Never with `delegate`. */
  readonly route: HttpRoute;
  /** ORed; empty matches everything. */
  readonly matches: readonly RuleMatch[];
  /** `http[2]`; `http[2] delegated to ns/name http[0]`. */
  readonly label: string;
  /** Of the route itself: the delegate's, where it was delegated. */
  readonly place: Place;
  /** Position in the VirtualService that holds it. */
  readonly index: number;
  /** Whose short names the destinations use. */
  readonly namespace: string;
  /** Fields taken over from the route that delegated to this one. */
  readonly inherited: ReadonlyMap<keyof HttpRoute, Place>;
  /** Whose short names the inherited fields use; present where something was inherited. */
  readonly delegatingNamespace?: string;
}

export interface RuleMatch {
  readonly match: HttpMatchRequest;
  /** Whose short gateway names it uses. */
  readonly namespace: string;
  readonly label: string;
  readonly place: Place;
}

/** A route that cannot apply to this workload, and why, in a sentence. */
export interface SkippedRoute {
  readonly route: string;
  readonly reason: string;
  readonly origin: Origin;
}

/** Where a field of the rule was written. */
export function fieldOrigin(rule: HttpRule, field: keyof HttpRoute): Origin {
  return originAt(fieldPlace(rule, field));
}

export function fieldPlace({ inherited, place }: HttpRule, field: keyof HttpRoute): Place {
  return inherited.get(field) ?? below(place, field);
}

/** Whose short names the field uses: those of the VirtualService it was written in. */
export function fieldNamespace({ inherited, namespace, delegatingNamespace }: HttpRule, field: keyof HttpRoute): string {
  return inherited.has(field) ? (delegatingNamespace ?? namespace) : namespace;
}
