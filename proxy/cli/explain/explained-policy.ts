/** How one policy is told: its value in the resource's words, and where that was written. */

import { originAt } from '../../../config/compile/located.ts';
import type { Place } from '../../../config/compile/located.ts';
import { renderPath } from '../../../config/resources/finding.ts';
import type { ExplainedPolicy } from './explanation.ts';
import { inWords } from './words.ts';

export const NOTHING: ExplainedPolicy = { value: null, origin: 'default' };

/** `field` is the name that `value` itself stands under, where it is no map. */
export function writtenAt(place: Place, value: unknown, field = ''): ExplainedPolicy {
  return { value: inWords(value, field), origin: originAt(place), path: renderPath(place.path) };
}

export function byDefault(value: unknown): ExplainedPolicy {
  return { value: inWords(value), origin: 'default' };
}

/** With the place it was written, or as the default. */
export function told(place: Place | undefined, value: unknown): ExplainedPolicy {
  return place === undefined ? byDefault(value) : writtenAt(place, value);
}

/** Adds a note on what of it this version does not act on. */
export function withNote(policy: ExplainedPolicy, notEnforced: string | undefined): ExplainedPolicy {
  return notEnforced === undefined ? policy : { ...policy, notEnforced };
}

/** Adds where single members come from; undefined ones come from where the policy does. */
export function withOrigins(policy: ExplainedPolicy, members: Readonly<Record<string, ExplainedPolicy['origin'] | undefined>>): ExplainedPolicy {
  const others = Object.entries(members).filter((member): member is [string, ExplainedPolicy['origin']] => member[1] !== undefined);
  return others.length === 0 ? policy : { ...policy, origins: Object.fromEntries(others) };
}

/** `origin` if it is another resource than the policy's own. */
export function otherThan(policy: ExplainedPolicy, origin: ExplainedPolicy['origin']): ExplainedPolicy['origin'] | undefined {
  const own = policy.origin;
  if (own === 'default' || origin === 'default') return own === origin ? undefined : origin;
  return own.resource === origin.resource && own.file === origin.file ? undefined : origin;
}
