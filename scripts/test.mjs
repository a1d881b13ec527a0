/**
 * `npm test [folder | file …]`: lint, dead-code check and every test; or only the tests below `test/<folder>`, or the
 * files named. The last line printed is `N passed, N failed`.
 */

import { ensureBuilt, ensureInstalled } from './setup.mjs';
import { deadCode, lint } from './steps.mjs';
import { runTests } from './tap.mjs';

ensureInstalled();
ensureBuilt();
const chosen = process.argv.slice(2);
let { passed, failed } = chosen.length === 0 ? steps() : { passed: 0, failed: 0 };
const outcome = await runTests(chosen);
passed += outcome.passed;
failed += outcome.failed;
if (outcome.passed === 0 && outcome.failed === 0) console.log('No test ran.');
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && outcome.passed > 0 ? 0 : 1;

function steps() {
  const results = [lint(), deadCode()];
  return { passed: results.filter((ok) => ok).length, failed: results.filter((ok) => !ok).length };
}
