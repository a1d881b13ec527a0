/**
 * Changes the kernel's rules: one iptables-restore for each address family, and back to what was there if any part fails.
 * The only file here that starts programs.
 */

import { spawnSync } from 'node:child_process';
import { renderRemoval, renderReplacement, renderRestoration, findOwn, foreignJumps } from './cleanup.ts';
import type { Family } from './constants.ts';
import { chooseVariant, detectIPv6, hasPassthroughAddress, programName, VARIANTS, type Variant, type VariantState } from './detect.ts';
import type { CaptureOptions } from './options.ts';
import { addressStep, describeRoutes, routeSteps, type Step } from './routes.ts';
import type { Rule } from './rule.ts';
import { captureRules } from './rules.ts';
import { parseSaved, type SavedRules } from './saved.ts';

/** What one run of a program came to; `missing`: it is not installed. */
export type ProgramResult = { readonly code: number; readonly stdout: string; readonly stderr: string } | 'missing';
export type RunProgram = (program: string, args: readonly string[], input?: string) => ProgramResult;

/** `notes` are for the user: what was done, and what that does not cover. */
export type Outcome = { readonly ok: true; readonly notes: readonly string[] } | { readonly ok: false; readonly message: string };

/** What the kernel has of IPv6 here; see detect.ts. */
export interface IPv6State {
  readonly kernel: 'on' | 'off' | 'absent';
  readonly hasPassthroughAddress: boolean;
}

/** Seconds to wait for iptables' lock, which others hold for milliseconds. */
const LOCK_WAIT_SECONDS = 30;

interface FamilyState {
  readonly family: Family;
  readonly variant: Variant;
  readonly before: SavedRules;
}

/** Makes the rules of ours be exactly these. Again with the same options changes nothing; another's rules stay. */
export function applyCapture(options: CaptureOptions, run: RunProgram = runProgram, ipv6: IPv6State = ipv6State()): Outcome {
  const wanted: readonly Family[] = options.ipv6 && ipv6.kernel !== 'absent' ? ['v4', 'v6'] : ['v4'];
  const states = readStates(ipv6.kernel === 'absent' ? ['v4'] : ['v4', 'v6'], run, wanted.length === 1);
  if ('message' in states) return { ok: false, message: states.message };
  const rulesOf = (family: Family): readonly Rule[] => (wanted.includes(family) ? captureRules(options, family) : []);
  // IPv6 that an earlier apply captured and this one does not is let go.
  const changing = states.filter(({ family, before }) => wanted.includes(family) || findOwn(before, []).length > 0);
  const routes = usesRoutes(options) ? routeSteps(options, wanted) : [];
  const address = wanted.includes('v6') && ipv6.kernel === 'on' && !ipv6.hasPassthroughAddress ? [addressStep()] : [];
  const taken: Step[] = [];
  const failed = takeSteps([...address, ...routes], taken, run) ?? changeAll(changing, (state) => renderReplacement(state.before, rulesOf(state.family)), options, run);
  if (failed !== undefined) {
    undoSteps(taken.reverse(), run);
    return { ok: false, message: failed };
  }
  const kept = new Set(routes.map(({ undo }) => undo.join(' ')));
  undoSteps(earlierRoutes(states, run).filter(({ undo }) => !kept.has(undo.join(' '))), run);
  if (changing.length > wanted.length && ipv6.hasPassthroughAddress) undoSteps([addressStep()], run);
  return { ok: true, notes: applyNotes(options, changing.filter(({ family }) => wanted.includes(family)), ipv6) };
}

/** Takes away what apply made and nothing else, whatever its options were. */
export function cleanCapture(options: CaptureOptions, run: RunProgram = runProgram, ipv6: IPv6State = ipv6State()): Outcome {
  const states = readStates(ipv6.kernel === 'absent' ? ['v4'] : ['v4', 'v6'], run, true);
  if ('message' in states) return { ok: false, message: states.message };
  const blocking = states.flatMap(({ before }) => foreignJumps(before));
  if (blocking.length > 0) return { ok: false, message: `not cleaned: chains of others jump to ours (${[...new Set(blocking)].join(', ')}): remove those rules first` };
  const made = states.filter(({ before, family }) => findOwn(before, captureRules(options, family)).length > 0);
  if (made.length === 0) return { ok: true, notes: ['nothing to clean: there are no rules of ours'] };
  const failed = changeAll(made, (state) => renderRemoval(state.before, captureRules(options, state.family)), options, run);
  if (failed !== undefined) return { ok: false, message: failed };
  const families = made.map(({ family }) => family);
  undoSteps([...earlierRoutes(made, run), ...(families.includes('v6') && ipv6.hasPassthroughAddress ? [addressStep()] : [])], run);
  return { ok: true, notes: [`removed the rules for ${named(families)}`] };
}

/** What iptables has now for each family, by the variant in use. Optional: a family without its programs is left out, if IPv4 is there. */
function readStates(families: readonly Family[], run: RunProgram, optional = false): readonly FamilyState[] | { readonly message: string } {
  const states: FamilyState[] = [];
  for (const family of families) {
    const results = VARIANTS.map((variant) => ({ variant, result: run(programName(family, variant, 'save'), []) }));
    const readable = results.flatMap(({ variant, result }): VariantState[] => (result === 'missing' || result.code !== 0 ? [] : [{ variant, saved: parseSaved(result.stdout) }]));
    const chosen = chooseVariant(readable);
    if (chosen !== undefined) {
      states.push({ family, variant: chosen.variant, before: chosen.saved });
      continue;
    }
    if (optional && family === 'v6') continue;
    const failure = results.find(({ result }) => result !== 'missing');
    return { message: failure === undefined ? missing(family) : explain(programName(family, failure.variant, 'save'), failure.result) };
  }
  return states;
}

/** One transaction a family, in order; when one fails, the families already changed and the one that failed get back what they had. */
function changeAll(states: readonly FamilyState[], text: (state: FamilyState) => string, options: CaptureOptions, run: RunProgram): string | undefined {
  for (const [index, state] of states.entries()) {
    const result = restore(state, text(state), run);
    if (result === undefined) continue;
    const kept = states.slice(0, index + 1).reverse().filter((changed) => rollBack(changed, options, run) !== undefined);
    const aftermath = kept.length === 0 ? 'the rules are as they were before' : `the rules for ${named(kept.map(({ family }) => family))} could not be put back: run outrider iptables --clean`;
    return `${result}; ${aftermath}`;
  }
  return undefined;
}

function restore({ family, variant }: FamilyState, text: string, run: RunProgram): string | undefined {
  if (text === '') return undefined;
  const program = programName(family, variant, 'restore');
  const result = run(program, ['--noflush', '-w', String(LOCK_WAIT_SECONDS)], text);
  return result !== 'missing' && result.code === 0 ? undefined : explain(program, result);
}

/** Tables are committed one by one, so a failure may leave some of them changed: what is there now is read again. */
function rollBack(state: FamilyState, options: CaptureOptions, run: RunProgram): string | undefined {
  const result = run(programName(state.family, state.variant, 'save'), []);
  if (result === 'missing' || result.code !== 0) return explain(programName(state.family, state.variant, 'save'), result);
  return restore(state, renderRestoration(parseSaved(result.stdout), state.before, captureRules(options, state.family)), run);
}

/** Runs the steps; a failed one undoes those before it. What is there already (`File exists`) counts as done, and is not undone. */
function takeSteps(steps: readonly Step[], done: Step[], run: RunProgram): string | undefined {
  for (const step of steps) {
    if (step.done?.printed.test(output(run(step.program, step.done.args))) === true) continue;
    const result = run(step.program, step.args);
    if (result !== 'missing' && result.code === 0) done.push(step);
    else if (result === 'missing' || !/File exists/.test(result.stderr)) return `${explain(step.program, result)} (${step.purpose}); nothing was applied`;
  }
  return undefined;
}

/** What is gone already needs no removal: an error here is none of the command's. */
function undoSteps(steps: readonly Step[], run: RunProgram): void {
  for (const step of steps) run(step.program, step.undo);
}

function applyNotes(options: CaptureOptions, states: readonly FamilyState[], ipv6: IPv6State): readonly string[] {
  const notes = [`applied the rules for ${named(states.map(({ family }) => family))}${states.some(({ variant }) => variant === '-legacy') ? ' (legacy tables)' : ''}`];
  if (options.ipv6 && ipv6.kernel === 'absent') notes.push('warning: this kernel has no IPv6, so it got no rules');
  return notes;
}

/** Steps that an earlier apply took for TPROXY. */
function earlierRoutes(states: readonly FamilyState[], run: RunProgram): readonly Step[] {
  return describeRoutes(states.map(({ before, family }) => ({ family, saved: before })), (args) => output(run('ip', args)));
}

function usesRoutes({ mode, inboundPorts }: CaptureOptions): boolean {
  return mode === 'TPROXY' && inboundPorts.length > 0;
}

function ipv6State(): IPv6State {
  return { kernel: detectIPv6(), hasPassthroughAddress: hasPassthroughAddress() };
}

function named(families: readonly Family[]): string {
  return families.map((family) => (family === 'v4' ? 'IPv4' : 'IPv6')).join(' and ');
}

function missing(family: Family): string {
  return family === 'v4' ? 'iptables is not installed (iptables-save is not on the PATH): install the package iptables' : 'ip6tables is not installed (ip6tables-save is not on the PATH), and this host has IPv6: install the package iptables';
}

/** The last line of an error says what is wrong; lack of privilege is said in words that help. */
function explain(program: string, result: ProgramResult): string {
  if (result === 'missing') return `${program} is not installed (package ${program === 'ip' ? 'iproute2' : 'iptables'})`;
  const text = result.stderr.trim();
  if (/permission denied|must be root|operation not permitted/i.test(text)) {
    return `no permission to change the rules: run as root, in a container with the capabilities NET_ADMIN and NET_RAW (${program}: ${lastLine(text)})`;
  }
  return `${program} failed with ${result.code}: ${text === '' ? 'no message' : text.split('\n').filter((line) => !line.startsWith('Try `')).join('; ')}`;
}

function lastLine(text: string): string {
  return text.split('\n').at(-1) ?? '';
}

function output(result: ProgramResult): string {
  return result === 'missing' ? '' : result.stdout;
}

/** Messages are read, so they are asked for in English. */
function runProgram(program: string, args: readonly string[], input = ''): ProgramResult {
  const env = { ...process.env, LC_ALL: 'C' };
  const { error, status, signal, stdout, stderr } = spawnSync(program, [...args], { input, env, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  if (error !== undefined && 'code' in error && error.code === 'ENOENT') return 'missing';
  if (error !== undefined) return { code: 1, stdout: '', stderr: error.message };
  return { code: status ?? 1, stdout, stderr: signal === null ? stderr : `${stderr}ended by ${signal}` };
}
