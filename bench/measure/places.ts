/** Places of the checkout, found from where this file runs. */

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Folder that holds package.json. */
export const checkoutRoot = rootAbove(dirname(fileURLToPath(import.meta.url)));

/** The built proxy beside this built bench: `dist/proxy/main.js`. */
export const outriderMain = fileURLToPath(new URL('../../proxy/main.js', import.meta.url));

function rootAbove(folder: string): string {
  if (existsSync(join(folder, 'package.json'))) return folder;
  const above = dirname(folder);
  return above === folder ? process.cwd() : rootAbove(above);
}
