/** `outrider version`, and the version for whoever else names it. */

import { readFileSync } from 'node:fs';
import type { CommandContext, ExitCode } from './command.ts';
import { parseFlags } from './flags.ts';

/** From package.json: one folder further up when compiled into `dist`. */
export function readVersion(): string {
  for (const place of ['../../../package.json', '../../package.json']) {
    const version = versionIn(new URL(place, import.meta.url));
    if (version !== undefined) return version;
  }
  return 'unknown';
}

/** Prints `outrider 0.1.0 (node v24.1.0, linux x64)`, or the same as one JSON object. */
export async function runVersion(argv: readonly string[], context: CommandContext): Promise<ExitCode> {
  const flags = parseFlags(argv, [{ name: 'json' }]);
  const wrong = flags.ok ? flags.positionals[0] && `unexpected argument '${flags.positionals[0]}'` : flags.message;
  if (wrong !== undefined && wrong !== '') {
    context.stderr(`outrider version: ${wrong}\n`);
    return 2;
  }
  const facts = { version: readVersion(), node: process.version, platform: process.platform, arch: process.arch };
  const asked = flags.ok && flags.values.has('json');
  context.stdout(asked ? `${JSON.stringify(facts)}\n` : `outrider ${facts.version} (node ${facts.node}, ${facts.platform} ${facts.arch})\n`);
  return 0;
}

function versionIn(file: URL): string | undefined {
  try {
    const { name, version } = JSON.parse(readFileSync(file, 'utf8')) as { name?: unknown; version?: unknown };
    return name === 'outrider' && typeof version === 'string' ? version : undefined;
  } catch {
    return undefined;
  }
}
