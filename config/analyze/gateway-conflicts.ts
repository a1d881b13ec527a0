/** IST0145: two Gateways put the same hosts on the same port of the same workloads. */

import { overlaps } from '../compile/host-match.ts';
import { sortedLabels } from '../compile/labels.ts';
import type { Resource } from '../load/snapshot.ts';
import type { GatewaySpec, Server } from '../resources/gateway.ts';
import type { Problem } from '../runtime/problem.ts';
import { problemAt } from './problem-at.ts';
import type { Subject } from './subject.ts';
import { renderLabels } from './subject.ts';

interface PlacedServer {
  readonly gateway: Resource<GatewaySpec>;
  readonly server: Server;
  readonly index: number;
}

export function analyzeGatewayConflicts({ snapshot }: Subject): readonly Problem[] {
  const byPlace = new Map<string, PlacedServer[]>();
  for (const gateway of snapshot.gateways) {
    for (const [index, server] of gateway.spec.servers.entries()) {
      const key = JSON.stringify([sortedLabels(gateway.spec.selector ?? {}), server.port.number, server.bind ?? '']);
      byPlace.set(key, [...(byPlace.get(key) ?? []), { gateway, server, index }]);
    }
  }
  return [...byPlace.values()].flatMap((servers) => servers.flatMap((server) => conflictsOf(server, servers)));
}

function conflictsOf({ gateway, server, index }: PlacedServer, servers: readonly PlacedServer[]): readonly Problem[] {
  const rivals = servers.filter((other) => other.gateway !== gateway && server.hosts.some((host) => other.server.hosts.some((rival) => sharesHost([gateway, host], [other.gateway, rival]))));
  if (rivals.length === 0) return [];
  const names = [...new Set(rivals.map((rival) => rival.gateway.source.resource))].join(', ');
  const message = `${names} has the same selector (${renderLabels(gateway.spec.selector)}) and port ${server.port.number} for an overlapping host (${server.hosts.join(', ')})`;
  return [problemAt(gateway, 'error', ['spec', 'servers', index], message, 'IST0145')];
}

type OwnedHost = readonly [gateway: Resource<GatewaySpec>, host: string];

function sharesHost(a: OwnedHost, b: OwnedHost): boolean {
  const [left, right] = [splitHost(a), splitHost(b)];
  const sameOwner = left.namespace === '*' || right.namespace === '*' || left.namespace === right.namespace;
  return sameOwner && overlaps(left.dns, right.dns);
}

function splitHost([gateway, host]: OwnedHost): { readonly namespace: string; readonly dns: string } {
  const slash = host.indexOf('/');
  const written = slash === -1 ? '*' : host.slice(0, slash);
  return { namespace: written === '.' ? gateway.metadata.namespace : written, dns: host.slice(slash + 1).toLowerCase() };
}
