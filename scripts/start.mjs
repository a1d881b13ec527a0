/** `npm start`: whatever set-up is missing, then the bookinfo demo mesh, in this very process. */

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureBuilt, ensureInstalled, root } from './setup.mjs';

ensureInstalled();
ensureBuilt();
stopWithParent();
const main = join(root, 'dist', 'proxy', 'main.js');
process.setSourceMapsEnabled(true);
process.argv = [process.execPath, main, 'demo', ...process.argv.slice(2)];
await import(pathToFileURL(main).href);

/** A signal sent to npm ends npm and its shell, which do not pass it on to what they run. */
function stopWithParent() {
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) process.kill(process.pid, 'SIGTERM');
  }, 500).unref();
}
