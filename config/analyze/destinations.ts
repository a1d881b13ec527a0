/** Every destination a VirtualService names, with its path. */

import type { Path } from '../resources/finding.ts';
import type { Destination } from '../resources/messages.ts';
import type { VirtualServiceSpec } from '../resources/virtual-service.ts';

export interface PlacedDestination {
  readonly destination: Destination;
  /** Of the destination message. */
  readonly path: Path;
}

/** http routes, mirrors, then tls and tcp routes. */
export function destinationsOf(spec: VirtualServiceSpec): readonly PlacedDestination[] {
  return [...httpDestinations(spec), ...routeDestinations(spec.tls, 'tls'), ...routeDestinations(spec.tcp, 'tcp')];
}

function httpDestinations(spec: VirtualServiceSpec): readonly PlacedDestination[] {
  return (spec.http ?? []).flatMap((route, index) => {
    const base: Path = ['spec', 'http', index];
    const forwarded = (route.route ?? []).map(({ destination }, i) => ({ destination, path: [...base, 'route', i, 'destination'] }));
    const mirror = route.mirror === undefined ? [] : [{ destination: route.mirror, path: [...base, 'mirror'] }];
    const mirrors = (route.mirrors ?? []).map(({ destination }, i) => ({ destination, path: [...base, 'mirrors', i, 'destination'] }));
    return [...forwarded, ...mirror, ...mirrors];
  });
}

function routeDestinations(routes: VirtualServiceSpec['tls'] | VirtualServiceSpec['tcp'], kind: 'tls' | 'tcp'): readonly PlacedDestination[] {
  return (routes ?? []).flatMap(({ route = [] }, index) => route.map(({ destination }, i) => ({ destination, path: ['spec', kind, index, 'route', i, 'destination'] })));
}
