/** Files to a Snapshot: the loader's front door. */

import type { LoaderOptions } from './loader.ts';
import { createLoader } from './loader.ts';
import type { Snapshot } from './types.ts';

export * from './types.ts';
export type { LoaderOptions } from './loader.ts';
export { createLoader } from './loader.ts';

/** One load without memory: files, folders or `-`; every problem is in the result, none is thrown. */
export function loadSnapshot(paths: readonly string[], options: LoaderOptions = {}): Snapshot {
  return createLoader(options).load(paths);
}
