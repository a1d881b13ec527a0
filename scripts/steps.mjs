/** The checks that need no running proxy, each true when it passed. */

import { run, tool } from './setup.mjs';

/** oxlint, promises included (`.oxlintrc.json`). */
export function lint() {
  return run(tool('oxlint'), ['--type-aware', '--deny-warnings', '--quiet']) === 0;
}

/** Files, exports and dependencies that nothing uses (`knip.json`). */
export function deadCode() {
  return run(tool('knip'), ['--no-progress']) === 0;
}
