/** `npm start`: whatever set-up is missing, then the bookinfo demo mesh, in this very process. */

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureBuilt, ensureInstalled, root } from './setup.mjs';

ensureInstalled();
ensureBuilt();
const main = join(root, 'dist', 'proxy', 'main.js');
process.setSourceMapsEnabled(true);
process.argv = [process.execPath, main, 'demo', ...process.argv.slice(2)];
await import(pathToFileURL(main).href);
