/** `npm run check`: types, lint and unit tests in seconds. */

import { ensureBuilt, ensureInstalled } from './setup.mjs';
import { lint } from './steps.mjs';
import { runTests } from './tap.mjs';

ensureInstalled();
ensureBuilt();
const linted = lint();
const outcome = await runTests(['unit']);
const passed = outcome.passed + (linted ? 1 : 0);
const failed = outcome.failed + (linted ? 0 : 1);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && outcome.passed > 0 ? 0 : 1;
