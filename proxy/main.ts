#!/usr/bin/env node
/**
 * `outrider`: the command's name to its module, its exit code to the process. The only place that ends the process.
 *
 * Commands are loaded when called, so that `run` does not wait for what only `demo` needs.
 */

import nodeModule from 'node:module';
import { fileURLToPath } from 'node:url';
import { suggest } from '../config/resources/suggest.ts';
import { systemClock } from './base/clock.ts';
import type { Command, CommandContext, ExitCode } from './cli/command.ts';
import { COMMAND_NAMES, isCommand, renderHelp, renderOverview } from './cli/help.ts';

const STUCK_OUTPUT_MS = 1000;

const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  run: async () => (await import('./cli/run.ts')).runProxy,
  validate: async () => (await import('./cli/validate.ts')).runValidate,
  explain: async () => (await import('./cli/explain.ts')).runExplain,
  inject: async () => (await import('./cli/inject.ts')).runInject,
  wait: async () => (await import('./cli/wait.ts')).runWait,
  iptables: async () => (await import('./cli/iptables.ts')).runIptables,
  certs: async () => (await import('./cli/certs.ts')).runCerts,
  demo: async () => (await import('./cli/demo.ts')).runDemo,
  version: async () => (await import('./cli/version.ts')).runVersion,
  help: async () => runHelp,
};

async function dispatch(argv: readonly string[], context: CommandContext): Promise<ExitCode> {
  const [name = '', ...words] = argv;
  if (name === '') {
    context.stderr(renderOverview());
    return 2;
  }
  if (name === '--help' || name === '-h') return runHelp([], context);
  if (name === '--version' || name === '-v') return dispatch(['version', ...words], context);
  if (!isCommand(name)) return unknownCommand(name, context);
  if (asksForHelp(words)) return runHelp([name], context);
  const load = COMMANDS[name];
  if (load === undefined) {
    context.stderr(`outrider ${name}: this version does not have this command yet\n`);
    return 2;
  }
  const command = await load();
  return command(words, context);
}

async function runHelp(argv: readonly string[], context: CommandContext): Promise<ExitCode> {
  const [name] = argv;
  if (name !== undefined && !isCommand(name)) return unknownCommand(name, context);
  context.stdout(name === undefined ? renderOverview() : renderHelp(name));
  return 0;
}

function unknownCommand(name: string, context: CommandContext): ExitCode {
  const near = suggest(name, COMMAND_NAMES);
  const hint = near === undefined ? `commands: ${COMMAND_NAMES.join(', ')}` : `did you mean ${near}?`;
  context.stderr(`outrider: unknown command '${name}', ${hint}\n`);
  return 2;
}

/** `--` ends the options: what follows it is an argument that happens to look like one. */
function asksForHelp(words: readonly string[]): boolean {
  const end = words.indexOf('--');
  const options = end === -1 ? words : words.slice(0, end);
  return options.includes('--help') || options.includes('-h');
}

/**
 * Keeps compiled code beside the program from Node 22.1 on (15 ms of the start). Not in the shared temporary folder,
 * Node's default: whoever may write there could plant code. Where the program's folder is read-only there is no cache.
 */
function keepCompiledCode(): void {
  const { enableCompileCache } = nodeModule as { enableCompileCache?: (directory: string) => unknown };
  enableCompileCache?.(fileURLToPath(new URL('../../node_modules/.cache/outrider', import.meta.url)));
}

/** Ends the process when what was written to standard output has left it, or when its reader takes nothing for a while. */
function exit(code: ExitCode): void {
  systemClock.setTimer(STUCK_OUTPUT_MS, () => process.exit(code));
  process.stdout.write('', () => process.exit(code));
}

keepCompiledCode();
// `outrider validate | head` closes our output early: nobody reads on, which is no failure of ours.
process.stdout.on('error', () => {});
process.stderr.on('error', () => {});
const code = await dispatch(process.argv.slice(2), {
  env: process.env,
  stdout: (text) => void process.stdout.write(text),
  stderr: (text) => void process.stderr.write(text),
});
exit(code);
