/** Kubernetes Node: only its name and labels count (where its Pods are), and those are metadata. */

import type { KindParser } from './kind.ts';
import { documentKind } from './kind.ts';
import { openObject } from './schema.ts';

export const node: KindParser<Record<string, never>> = documentKind(
  { kind: 'Node', apiVersions: ['v1'], clusterScoped: true },
  openObject<Record<string, never>>({}),
);
