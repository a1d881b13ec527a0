/** apiVersion and kind of a document: one of ours, one to skip, or a mistake. */

import type { CollectionName } from '../resources/index.ts';
import { collectionNames, collections } from '../resources/index.ts';
import type { Path } from '../resources/finding.ts';
import { suggest } from '../resources/suggest.ts';

export type Recognised =
  | { readonly kind: 'collection'; readonly name: CollectionName }
  /** Counted under this name; `warning` says what to use instead. */
  | { readonly kind: 'skipped'; readonly name: string; readonly warning?: string }
  | { readonly kind: 'mistake'; readonly path: Path; readonly message: string };

const byKind: ReadonlyMap<string, CollectionName> = new Map(collectionNames.map((name) => [collections[name].kind, name]));
const ourGroups: ReadonlySet<string> = new Set(collectionNames.flatMap((name) => collections[name].apiVersions.map(groupOf)));
/** What may have been meant. A Node is not written by hand, and many a name begins like it. */
const ourKinds: readonly string[] = [...[...byKind.keys()].filter((kind) => kind !== 'Node')];

/** Real kinds of groups that hold ours too, so that a near miss of ours is told from them. */
const otherKinds: ReadonlySet<string> = new Set(['EnvoyFilter', 'Event', 'Binding', 'ServiceAccount', 'PodTemplate', 'LimitRange', 'ResourceQuota', 'ComponentStatus', 'PersistentVolume', 'PersistentVolumeClaim', 'ReplicationController']);

const envoyFilterAdvice = 'an EnvoyFilter patches Envoy and has no effect here; use VirtualService, DestinationRule, Gateway, Telemetry or AuthorizationPolicy for what it does';

/** Decides by name alone; never throws. */
export function recognise(apiVersion: string, kind: string): Recognised {
  const group = groupOf(apiVersion);
  const name = byKind.get(kind);
  if (name !== undefined) return knownKind(name, apiVersion, group);
  if (kind === 'EnvoyFilter') return { kind: 'skipped', name: kind, warning: envoyFilterAdvice };
  return unknownKind(kind, group);
}

/** Another group's kind may have the same name (Gateway API's Gateway, Knative's Service): skipped, unless the group looks misspelt. */
function knownKind(name: CollectionName, apiVersion: string, group: string): Recognised {
  const { apiVersions, kind } = collections[name];
  if (apiVersions.includes(apiVersion)) return { kind: 'collection', name };
  const groups = apiVersions.map(groupOf);
  const misspelt = group === '' || ourGroups.has(group) || suggest(group, groups) !== undefined;
  if (!groups.includes(group) && !misspelt) return { kind: 'skipped', name: `${kind}.${group}` };
  const message = `${JSON.stringify(apiVersion)} is not an apiVersion of ${kind}; use ${apiVersions.join(', ')}`;
  return { kind: 'mistake', path: ['apiVersion'], message };
}

function unknownKind(kind: string, group: string): Recognised {
  const near = ourGroups.has(group) && !otherKinds.has(kind) ? suggest(kind, ourKinds) : undefined;
  if (near !== undefined) return { kind: 'mistake', path: ['kind'], message: `unknown kind ${JSON.stringify(kind)}; did you mean "${near}"?` };
  if (!/^(?:networking|security|telemetry)\.istio\.io$/.test(group)) return { kind: 'skipped', name: kind };
  return { kind: 'mistake', path: ['kind'], message: `${group} has no kind ${JSON.stringify(kind)}` };
}

function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf('/');
  return slash === -1 ? '' : apiVersion.slice(0, slash);
}
