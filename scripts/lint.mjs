/** `npm run lint`: oxlint with type-aware rules over the whole project. */

import { ensureInstalled } from './setup.mjs';
import { lint } from './steps.mjs';

ensureInstalled();
process.exitCode = lint() ? 0 : 1;
