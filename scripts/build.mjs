/** `npm run build`: compiles to dist/. */

import { ensureBuilt, ensureInstalled } from './setup.mjs';

ensureInstalled();
ensureBuilt();
