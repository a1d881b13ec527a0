/** Fields that are valid and that this version does not act on: one warning for each field of a resource, by name. */

import type { Resource } from '../load/snapshot.ts';
import type { Problem } from '../runtime/problem.ts';
import type { FoundValue } from './field-walk.ts';
import { valuesAt } from './field-walk.ts';
import type { UnenforcedField } from './not-enforced-fields.ts';
import { unenforcedFields, unenforcedMeshFields } from './not-enforced-fields.ts';
import { problemAt } from './problem-at.ts';
import type { Subject } from './subject.ts';

/** Of each resource: the loader hands out the same object again while nothing about it changed, and `run` asks at every reload. */
const remembered = new WeakMap<Resource<unknown>, readonly Problem[]>();

export function analyzeNotEnforced({ snapshot }: Pick<Subject, 'snapshot'>): readonly Problem[] {
  const ofResources = unenforcedFields.flatMap(({ collection, fields }) =>
    (snapshot[collection] as readonly Resource<unknown>[]).flatMap((resource) => warnings(resource, fields)),
  );
  const { meshConfig } = snapshot;
  return meshConfig === undefined ? ofResources : [...ofResources, ...unenforcedMeshFields.flatMap((field) => warning(meshConfig, field, []))];
}

function warnings(resource: Resource<unknown>, fields: readonly UnenforcedField[]): readonly Problem[] {
  let known = remembered.get(resource);
  if (known === undefined) remembered.set(resource, (known = fields.flatMap((field) => warning(resource, field, ['spec']))));
  return known;
}

/** One warning at the field's first occurrence, which says how many more there are. */
function warning(resource: Resource<unknown>, { path, consequence, counts }: UnenforcedField, base: readonly string[]): readonly Problem[] {
  const found = valuesAt(resource.spec, path).filter(({ value }) => counts === undefined || counts(value));
  const [first] = found;
  if (first === undefined) return [];
  return [problemAt(resource, 'warning', [...base, ...first.path], `is not enforced by this version: ${consequence}${othersToo(found)}`)];
}

function othersToo(found: readonly FoundValue[]): string {
  return found.length === 1 ? '' : ` (and ${found.length - 1} more in this resource)`;
}
