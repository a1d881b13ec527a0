/** IST0177: ServiceEntries that a client sees together give one port of a host different protocols. */

import type { Resource } from '../load/snapshot.ts';
import type { ServiceEntrySpec } from '../resources/service-entry.ts';
import type { Problem } from '../runtime/problem.ts';
import { problemAt } from './problem-at.ts';
import type { Subject } from './subject.ts';

interface Declaration {
  readonly entry: Resource<ServiceEntrySpec>;
  readonly port: number;
  readonly protocol: string;
}

export function analyzeServiceEntryProtocols(subject: Subject): readonly Problem[] {
  const declared = declarations(subject);
  const reported = new Set<Resource<ServiceEntrySpec>>();
  const problems: Problem[] = [];
  for (const [key, own] of declared) {
    const all = key.startsWith('* ') ? own : [...own, ...(declared.get(key.replace(/^\S+/, '*')) ?? [])];
    const protocols = [...new Set(all.map(({ protocol }) => protocol))].sort();
    if (protocols.length < 2) continue;
    for (const { entry, port } of all) {
      if (reported.has(entry)) continue;
      reported.add(entry);
      problems.push(disagreement(entry, { key, index: port, protocols, entries: all.map((declaration) => declaration.entry) }));
    }
  }
  return problems;
}

/** By `scope host port`. */
function declarations({ snapshot, mesh }: Subject): ReadonlyMap<string, readonly Declaration[]> {
  const byKey = new Map<string, Declaration[]>();
  for (const entry of snapshot.serviceEntries) {
    const exportTo = entry.spec.exportTo ?? mesh.serviceExportTo;
    const scopes = exportTo.length === 0 || exportTo.includes('*') ? ['*'] : exportTo.map((scope) => (scope === '.' ? entry.metadata.namespace : scope));
    for (const [index, port] of (entry.spec.ports ?? []).entries()) {
      const keys = scopes.flatMap((scope) => entry.spec.hosts.map((host) => `${scope} ${host.toLowerCase()} ${port.number}`));
      for (const key of keys) byKey.set(key, [...(byKey.get(key) ?? []), { entry, port: index, protocol: (port.protocol ?? '').toUpperCase() }]);
    }
  }
  return byKey;
}

interface Disagreement {
  readonly key: string;
  /** Of the port in the entry. */
  readonly index: number;
  readonly protocols: readonly string[];
  readonly entries: readonly Resource<ServiceEntrySpec>[];
}

function disagreement(entry: Resource<ServiceEntrySpec>, { key, index, protocols, entries }: Disagreement): Problem {
  const [, host, port] = key.split(' ');
  const others = [...new Set(entries)].filter((other) => other !== entry).map((other) => other.source.resource).join(', ');
  const shown = protocols.map((protocol) => (protocol === '' ? '(none)' : protocol)).join(' and ');
  return problemAt(entry, 'warning', ['spec', 'ports', index], `port ${port} of ${host} has the protocols ${shown}; ${others} says otherwise`, 'IST0177');
}
