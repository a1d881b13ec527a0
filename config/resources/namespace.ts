/** Kubernetes Namespace: only its name and labels count, and those are metadata. */

import type { KindParser } from './kind.ts';
import { documentKind } from './kind.ts';
import { openObject } from './schema.ts';

export const namespace: KindParser<Record<string, never>> = documentKind(
  { kind: 'Namespace', apiVersions: ['v1'], clusterScoped: true },
  openObject<Record<string, never>>({}),
);
