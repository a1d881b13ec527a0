/** What reading and compiling a snapshot can come to; plain data, so that it crosses threads. */

import type { RuntimeDelta } from '../../config/runtime/delta.ts';
import type { Problem } from '../../config/runtime/problem.ts';
import type { RuntimeConfig } from '../../config/runtime/runtime-config.ts';

/** The first load: a whole configuration, or the problems (an error among them) that forbid serving it. */
export type FirstOutcome =
  | { readonly kind: 'compiled'; readonly config: RuntimeConfig; readonly problems: readonly Problem[] }
  | { readonly kind: 'rejected'; readonly problems: readonly Problem[] };

/** A later one, beside what serves. */
export type CompileOutcome =
  | { readonly kind: 'changed'; readonly delta: RuntimeDelta; readonly problems: readonly Problem[] }
  | { readonly kind: 'unchanged'; readonly problems: readonly Problem[] }
  | { readonly kind: 'rejected'; readonly problems: readonly Problem[] };
