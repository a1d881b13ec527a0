/** VirtualService `mirror` and `mirrors`: where copies of a request go (istio-api.md 2.2). */

import type { Destination } from '../resources/messages.ts';
import type { HttpRoute } from '../resources/virtual-service/types.ts';
import type { MirrorConfig } from '../runtime/route.ts';
import type { ServiceLookup } from './destination.ts';
import { destinationCluster } from './destination.ts';
import type { HttpRule } from './http-rule.ts';
import { fieldNamespace, fieldPlace } from './http-rule.ts';
import type { Place } from './located.ts';
import { below, originAt } from './located.ts';
import { percentOf } from './percent.ts';

/** A mirror as it was written, whichever of the two fields it stands in. */
export interface WrittenMirror {
  readonly destination: Destination;
  readonly percent: number;
  readonly place: Place;
  /** Whose short names it uses. */
  readonly namespace: string;
}

/** `mirror` first. Those with an explicit 0 % are in the list too. */
export function writtenMirrors(rule: HttpRule): readonly WrittenMirror[] {
  const { mirror, mirrors = [] } = rule.route;
  const single = mirror === undefined ? [] : [{ destination: mirror, percent: singlePercent(rule.route), place: fieldPlace(rule, 'mirror'), namespace: fieldNamespace(rule, 'mirror') }];
  const place = fieldPlace(rule, 'mirrors');
  const namespace = fieldNamespace(rule, 'mirrors');
  const several = mirrors.map(({ destination, percentage }, index) => ({ destination, percent: percentage === undefined ? 100 : percentOf(percentage), place: below(place, index), namespace }));
  return [...single, ...several];
}

export function mirrorConfigs(rule: HttpRule, lookup: ServiceLookup): readonly MirrorConfig[] {
  return writtenMirrors(rule)
    .filter(({ percent }) => percent > 0)
    .map(({ destination, percent, place, namespace }) => {
      const { cluster, host, port, subset } = destinationCluster(destination, namespace, lookup);
      return { cluster, percent, host, port, subset, origin: originAt(place) };
    });
}

/** The deprecated integer counts only without `mirrorPercentage`; neither is all requests. */
function singlePercent({ mirrorPercentage, mirrorPercent }: HttpRoute): number {
  return mirrorPercentage === undefined ? (mirrorPercent ?? 100) : percentOf(mirrorPercentage);
}
