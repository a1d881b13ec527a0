/** Command-line words against a table of flags: what was given, or one precise line about what is wrong. */

import { parseArgs } from 'node:util';
import { suggest } from '../../config/resources/suggest.ts';

export interface FlagSpec {
  /** Long name without dashes. */
  readonly name: string;
  /** One letter. */
  readonly short?: string;
  /** What the value stands for in help (`PATH`); absent for a switch. */
  readonly value?: string;
  /** Takes what Go's flags take: an empty value, and for a switch `--name=true` or `--name=false`. */
  readonly asInGo?: true;
}

/** Every value given for a flag in order (`'true'` for a switch), and the words that belong to none. */
export interface GivenFlags {
  readonly ok: true;
  readonly values: ReadonlyMap<string, readonly string[]>;
  readonly positionals: readonly string[];
}

/** A mistake in how the command was called: one line without the command's name; the exit code is 2. */
export interface UsageError {
  readonly ok: false;
  readonly message: string;
}

/**
 * Long flags as `--name value` or `--name=value`, short ones as `-x value`; `--` ends the flags; `-` alone is a value.
 * A flag's last value wins where the caller reads only one.
 */
export function parseFlags(argv: readonly string[], specs: readonly FlagSpec[]): GivenFlags | UsageError {
  const byName = new Map(specs.map((spec) => [spec.name, spec]));
  const { tokens } = parseArgs({ args: [...argv], options: parserOptions(specs), strict: false, tokens: true, allowPositionals: true });
  const values = new Map<string, string[]>();
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    const spec = byName.get(token.name);
    if (spec === undefined) return usageError(unknownFlag(token.rawName, specs));
    const value = valueOf(spec, token.value, token.inlineValue === true);
    if (typeof value !== 'string') return value;
    values.set(spec.name, [...(values.get(spec.name) ?? []), value]);
  }
  return { ok: true, values, positionals };
}

export function usageError(message: string): UsageError {
  return { ok: false, message };
}

function parserOptions(specs: readonly FlagSpec[]): Record<string, { type: 'string' | 'boolean'; short?: string }> {
  const options: Record<string, { type: 'string' | 'boolean'; short?: string }> = {};
  for (const spec of specs) {
    const type = spec.value === undefined ? 'boolean' : 'string';
    options[spec.name] = spec.short === undefined ? { type } : { type, short: spec.short };
  }
  return options;
}

function valueOf(spec: FlagSpec, value: string | undefined, inline: boolean): string | UsageError {
  if (spec.asInGo === true && value === '' && spec.value !== undefined) return value;
  if (spec.value === undefined) {
    if (spec.asInGo === true && inline && value !== undefined) return value;
    return inline ? usageError(`--${spec.name} takes no value`) : 'true';
  }
  // `--bind --mode` is a forgotten value, not the value `--mode`; a lone `-` is standard input or output.
  const forgotten = value === undefined || (!inline && value.length > 1 && value.startsWith('-'));
  if (forgotten || value === '') return usageError(`--${spec.name} needs a value: --${spec.name} ${spec.value}`);
  return value;
}

function unknownFlag(rawName: string, specs: readonly FlagSpec[]): string {
  const near = suggest(rawName.replace(/^-+/, ''), specs.map((spec) => spec.name));
  return near === undefined ? `unknown option ${rawName}` : `unknown option ${rawName}, did you mean --${near}?`;
}
