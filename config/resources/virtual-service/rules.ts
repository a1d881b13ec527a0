/** Rules over a whole VirtualService: hosts, and what root, delegate and plain resources may hold. */

import { isIP } from 'node:net';
import type { Path } from '../finding.ts';
import type { Report } from '../schema.ts';
import { present } from '../schema.ts';
import { claimPrefix } from './match.ts';
import type { HttpRoute, TlsRoute, VirtualServiceSpec } from './types.ts';

export function checkVirtualService(spec: VirtualServiceSpec, report: Report): void {
  const isDelegate = (spec.hosts ?? []).length === 0;
  if (isDelegate) checkDelegate(spec, report);
  else checkHosts(spec, report);
  if (['http', 'tls', 'tcp'].every((field) => (spec[field as 'http'] ?? []).length === 0)) report.error([], 'needs http, tls or tcp routes');
  for (const [index, route] of (spec.http ?? []).entries()) {
    checkAction(route, isDelegate, ['http', index], report);
    if (!isDelegate) checkClaims(spec, route, ['http', index], report);
  }
  for (const [index, route] of (spec.tls ?? []).entries()) checkSniHosts(spec, route, ['tls', index], report);
}

function checkDelegate(spec: VirtualServiceSpec, report: Report): void {
  for (const field of ['gateways', 'tls', 'tcp'] as const) {
    if ((spec[field] ?? []).length > 0) report.error([field], 'is not allowed without hosts: a VirtualService without hosts is a delegate and has only http routes');
  }
}

function checkHosts({ hosts = [], gateways = [] }: VirtualServiceSpec, report: Report): void {
  const inMesh = gateways.length === 0 || gateways.includes('mesh');
  for (const [index, host] of hosts.entries()) {
    if (host === '*' && inMesh) report.error(['hosts', index], '"*" is not allowed in the mesh; name the hosts, or name the gateways this is for');
    const rival = hosts.slice(0, index).find((earlier) => hostsOverlap(earlier, host));
    if (rival === undefined) continue;
    report.error(['hosts', index], rival === host ? `${JSON.stringify(host)} is listed twice` : `${JSON.stringify(host)} overlaps with ${JSON.stringify(rival)}`);
  }
}

/** Exactly one of route, redirect, directResponse, delegate; a root's delegate leaves the action to the delegate. */
function checkAction(route: HttpRoute, isDelegate: boolean, at: Path, report: Report): void {
  const actions = present(route, ['route', 'redirect', 'directResponse', 'delegate']).filter((action) => action !== 'route' || (route.route ?? []).length > 0);
  if (route.delegate !== undefined && isDelegate) {
    report.error([...at, 'delegate'], 'a delegate cannot delegate again (a VirtualService without hosts is a delegate)');
  }
  if (actions.length === 0) report.error([...at], 'needs one of route, redirect, directResponse, delegate');
  if (actions.length > 1) report.error([...at, actions[1]!], `only one of route, redirect, directResponse, delegate may be set, got ${actions.join(' and ')}`);
}

/** Claims are known where the JWT was verified: at a gateway. */
function checkClaims(spec: VirtualServiceSpec, route: HttpRoute, at: Path, report: Report): void {
  for (const [index, match] of (route.match ?? []).entries()) {
    const gateways = match.gateways ?? spec.gateways ?? [];
    if (gateways.some((name) => name !== 'mesh')) continue;
    for (const field of ['headers', 'withoutHeaders'] as const) {
      const claim = Object.keys(match[field] ?? {}).find((name) => name.startsWith(claimPrefix));
      if (claim !== undefined) report.error([...at, 'match', index, field, claim], 'routing on JWT claims works at gateways only; name a gateway in gateways');
    }
  }
}

function checkSniHosts({ hosts = [] }: VirtualServiceSpec, route: TlsRoute, at: Path, report: Report): void {
  for (const [matchIndex, { sniHosts }] of route.match.entries()) {
    for (const [index, sni] of sniHosts.entries()) {
      const path = [...at, 'match', matchIndex, 'sniHosts', index];
      if (isIP(sni) !== 0) report.warning(path, `${JSON.stringify(sni)} is an IP address, which TLS never sends as server name`);
      if (!hosts.some((host) => covers(host, sni))) report.error(path, `${JSON.stringify(sni)} is not covered by hosts (${hosts.join(', ')})`);
    }
  }
}

/** Istio's symmetric match: equal, or one wildcard's suffix ends the other (istio-api.md 1.3). */
function hostsOverlap(one: string, other: string): boolean {
  return covers(one, other) || covers(other, one);
}

/** Every name that the second stands for is one of the first. */
function covers(host: string, name: string): boolean {
  const [pattern, other] = [host.toLowerCase(), name.toLowerCase()];
  if (pattern === other || pattern === '*') return true;
  return pattern.startsWith('*') && other !== '*' && other.replace(/^\*/, '').endsWith(pattern.slice(1));
}
