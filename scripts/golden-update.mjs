/** `npm run golden:update`: writes what the code now answers into the golden files; read the diff before committing it. */

import { ensureBuilt, ensureInstalled } from './setup.mjs';
import { runTests } from './tap.mjs';

process.env.UPDATE_GOLDEN = '1';
ensureInstalled();
ensureBuilt();
const { passed, failed } = await runTests(['golden']);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
