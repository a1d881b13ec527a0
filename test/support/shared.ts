/** Finds Istio's own samples and CRDs, which lie beside the checkout and are no part of it. */

import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Path of a file or folder below the shared folder: `OUTRIDER_SHARED`, else `../shared` beside the checkout. Where it is
 * missing, `missing` says so, in the form that tap's `skip` option takes: `t.test('…', { skip: samples.missing }, …)`.
 */
export function shared(...path: readonly string[]): { readonly path: string; readonly missing: string | false } {
  const folder = process.env['OUTRIDER_SHARED'] ?? candidates().find((candidate) => existsSync(candidate));
  const found = join(folder ?? '', ...path);
  if (folder !== undefined && existsSync(found)) return { path: found, missing: false };
  return { path: found, missing: `no ${path.join('/')}: set OUTRIDER_SHARED, or put the folder \`shared\` beside the checkout` };
}

/** Beside the checkout that holds these compiled tests (dist/test/support), and beside the working directory. */
function candidates(): string[] {
  return [fileURLToPath(new URL('../../../../shared', import.meta.url)), resolve('..', 'shared')];
}
