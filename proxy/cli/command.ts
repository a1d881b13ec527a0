/** What every command is: words and the process's surroundings in, an exit code out. */

import type { Environment } from './options.ts';

export interface CommandContext {
  readonly env: Environment;
  /** Writes text as it is (no newline added). */
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
}

/** 0 success, 1 the input is wrong or the check failed, 2 the command was called wrongly. */
export type ExitCode = 0 | 1 | 2;

/** `argv` is what follows the command's name. */
export type Command = (argv: readonly string[], context: CommandContext) => Promise<ExitCode>;
