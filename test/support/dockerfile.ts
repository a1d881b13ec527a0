/** Reads a Dockerfile and takes its steps on this machine: each stage is a folder that stands for the image's root. */

import { cpSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { spawnSync } from 'node:child_process';

export interface Instruction {
  /** Upper case: `COPY`. */
  readonly name: string;
  /** What follows, continuation lines joined. */
  readonly words: string;
}

export interface Stage {
  /** `build`, or its number. */
  readonly name: string;
  readonly image: string;
  readonly instructions: readonly Instruction[];
}

/** ARGs before the first FROM are filled in with their defaults. */
export function parseDockerfile(text: string): readonly Stage[] {
  const instructions = text
    .split('\n')
    .filter((line) => !/^\s*#/.test(line))
    .join('\n')
    .replaceAll(/\\\n/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => ({ name: (/^\S+/.exec(line)?.[0] ?? '').toUpperCase(), words: line.replace(/^\S+\s+/, '').replaceAll(/\s+/g, ' ').trim() }));
  const args = new Map<string, string>();
  const stages: { name: string; image: string; instructions: Instruction[] }[] = [];
  for (const instruction of instructions) {
    const { name, words } = instruction;
    if (name === 'FROM') {
      const [image = '', , as] = words.replaceAll(/\$\{(\w+)\}/g, (_whole, key: string) => args.get(key) ?? '').split(' ');
      stages.push({ name: as ?? String(stages.length), image, instructions: [] });
    } else if (stages.length === 0 && name === 'ARG') {
      const [key = '', value = ''] = words.split('=');
      args.set(key, value);
    } else stages.at(-1)?.instructions.push(instruction);
  }
  return stages;
}

/** Whether .dockerignore keeps a path (relative to the context, with `/`) out; the last pattern that matches decides. */
export function ignored(patterns: string, path: string): boolean {
  let out = false;
  for (const line of patterns.split('\n').map((text) => text.trim())) {
    if (line === '' || line.startsWith('#')) continue;
    const negated = line.startsWith('!');
    if (matches(line.replace(/^!/, '').replace(/^\/|\/$/g, ''), path)) out = !negated;
  }
  return out;
}

/** A pattern stands for the path and all below it. */
function matches(pattern: string, path: string): boolean {
  const source = pattern
    .split('/')
    .map((part) => (part === '**' ? '.*' : part.replaceAll(/[.+^${}()|[\]\\]/g, '\\$&').replaceAll('*', '[^/]*').replaceAll('?', '[^/]')))
    .join('/')
    .replaceAll('.*/', '(?:.*/)?');
  return new RegExp(`^${source}(?:/.*)?$`).test(path);
}

export interface Walk {
  /** The folder with the Dockerfile. */
  readonly context: string;
  readonly ignore: string;
  /** Roots of the stages so far, by name. */
  readonly roots: ReadonlyMap<string, string>;
  /** Takes a RUN in a folder; rejects or throws to end the walk. */
  readonly run: (command: string, cwd: string) => void;
}

export interface ImageConfig {
  readonly env: Readonly<Record<string, string>>;
  readonly user: string;
  readonly workdir: string;
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly exposed: readonly string[];
}

/** Takes a stage's steps below `root`; throws for a COPY source that does not reach the build. */
export function walkStage(stage: Stage, root: string, walk: Walk): ImageConfig {
  let workdir = '/';
  const config = { env: {} as Record<string, string>, user: '', entrypoint: [] as string[], cmd: [] as string[], exposed: [] as string[] };
  for (const { name, words } of stage.instructions) {
    if (name === 'WORKDIR') mkdirSync(join(root, (workdir = words)), { recursive: true });
    else if (name === 'COPY') copy(words, join(root, workdir), walk);
    else if (name === 'RUN') walk.run(words, join(root, workdir));
    else if (name === 'ENV') config.env[words.split('=')[0] ?? ''] = words.split('=').slice(1).join('=');
    else if (name === 'USER') config.user = words;
    else if (name === 'EXPOSE') config.exposed.push(...words.split(' '));
    else if (name === 'ENTRYPOINT') config.entrypoint = JSON.parse(words) as string[];
    else if (name === 'CMD') config.cmd = JSON.parse(words) as string[];
    else throw new Error(`no way to take the step ${name} ${words}`);
  }
  return { ...config, workdir };
}

function copy(words: string, cwd: string, { context, ignore, roots }: Walk): void {
  const parts = words.split(' ');
  const from = parts[0]?.startsWith('--from=') === true ? parts.shift()?.slice('--from='.length) : undefined;
  const target = parts.pop() ?? '';
  const base = from === undefined ? context : roots.get(from);
  if (base === undefined) throw new Error(`COPY --from=${from}: no such stage`);
  for (const source of parts) {
    const path = relative(base, join(base, source));
    if (from === undefined && ignored(ignore, path)) throw new Error(`COPY ${source}: .dockerignore keeps it out`);
    const found = join(base, source);
    const folder = statSync(found).isDirectory();
    const destination = target.endsWith('/') && !folder ? join(cwd, target, basename(source)) : join(cwd, target);
    mkdirSync(dirname(destination), { recursive: true });
    cpSync(found, destination, { recursive: true, verbatimSymlinks: true, filter: (file) => from !== undefined || !ignored(ignore, relative(base, file)) });
  }
}

/** A shell command; throws with what it printed when it fails. */
export function shell(command: string, cwd: string, env: Readonly<Record<string, string | undefined>>): void {
  const { status, stdout, stderr, error } = spawnSync('/bin/sh', ['-c', command], { cwd, env, encoding: 'utf8' });
  if (status !== 0) throw new Error(`RUN ${command}: ${error?.message ?? `exit ${status}`}\n${stdout}${stderr}`);
}

/** Files below a folder, with `/`. */
export function listFiles(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((path) => path.replaceAll('\\', '/')).sort();
}
