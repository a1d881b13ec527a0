/** IST0101: a route hands over to a VirtualService that does not exist, is no delegate, or is not exported to it. */

import { isExportedTo } from '../compile/visibility.ts';
import type { Resource } from '../load/snapshot.ts';
import type { VirtualServiceSpec } from '../resources/virtual-service.ts';
import type { Problem } from '../runtime/problem.ts';
import { problemAt } from './problem-at.ts';
import type { Subject } from './subject.ts';

type VirtualServices = ReadonlyMap<string, Resource<VirtualServiceSpec>>;

export function analyzeDelegateReferences(subject: Subject): readonly Problem[] {
  const byName: VirtualServices = new Map(subject.snapshot.virtualServices.map((resource) => [`${resource.metadata.namespace}/${resource.metadata.name}`, resource]));
  return subject.snapshot.virtualServices.flatMap((root) =>
    (root.spec.http ?? []).flatMap(({ delegate }, index) => {
      if (delegate === undefined) return [];
      const message = delegateProblem(root, delegate, byName, subject);
      return message === undefined ? [] : [problemAt(root, 'error', ['spec', 'http', index, 'delegate'], message, 'IST0101')];
    }),
  );
}

function delegateProblem(root: Resource<VirtualServiceSpec>, reference: { readonly name: string; readonly namespace?: string }, byName: VirtualServices, subject: Subject): string | undefined {
  const client = root.metadata.namespace;
  const name = `${reference.namespace ?? client}/${reference.name}`;
  if (subject.broken.has(`VirtualService ${name}`)) return undefined;
  const delegate = byName.get(name);
  if (delegate === undefined) return `there is no VirtualService ${name}; this route is dropped`;
  if ((delegate.spec.hosts ?? []).length > 0) return `VirtualService ${name} has hosts, so it is no delegate; this route is dropped`;
  const exportTo = delegate.spec.exportTo ?? subject.mesh.virtualServiceExportTo;
  return isExportedTo(exportTo, delegate.metadata.namespace, client) ? undefined : `VirtualService ${name} is not exported to namespace ${client}; this route is dropped`;
}
