/** Brings a checkout to a runnable state: installs and compiles, each only when something it depends on changed. */

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder that holds package.json. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Folders that tsconfig.json compiles. */
const SOURCE_FOLDERS = ['proxy', 'filters', 'iptables', 'config', 'bench', 'test'];
const INSTALL_STAMP = join(root, 'node_modules', '.outrider-install');
const BUILD_STAMP = join(root, 'dist', '.build');

/** Installs the dependencies of the lock file, unless that very lock file is installed already. */
export function ensureInstalled() {
  const wanted = digest([join(root, 'package.json'), join(root, 'package-lock.json')]);
  if (readStamp(INSTALL_STAMP) === wanted) return;
  say('installing dependencies');
  // `ci` needs no decision but empties node_modules; a folder that exists is brought up to date in place.
  const install = existsSync(join(root, 'node_modules')) ? ['install', '--no-save'] : ['ci'];
  mustRun(npm(), [...install, '--no-audit', '--no-fund', '--loglevel=error']);
  writeFileSync(INSTALL_STAMP, wanted);
}

/** Compiles to dist/, unless no source changed since the last compilation. Exits with the compiler's errors. */
export function ensureBuilt() {
  const sources = sourceFiles();
  const wanted = digest([join(root, 'tsconfig.json'), join(root, 'package-lock.json'), ...sources]);
  if (readStamp(BUILD_STAMP) === wanted) return;
  say('compiling');
  mustRun(tool('tsc'), ['-p', 'tsconfig.json']);
  removeOrphans(sources);
  writeFileSync(BUILD_STAMP, wanted);
}

/** Path of a program that a dependency installed. */
export function tool(name) {
  return join(root, 'node_modules', '.bin', process.platform === 'win32' ? `${name}.cmd` : name);
}

/** Runs a program with this terminal; returns its exit code. */
export function run(program, args, env = {}) {
  const { status, error } = spawnSync(program, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...env },
    shell: process.platform === 'win32',
  });
  if (error) say(`${program}: ${error.message}`);
  return status ?? 1;
}

/** Says on stderr what is being done, so that stdout stays the command's own. */
export function say(text) {
  process.stderr.write(`outrider: ${text}\n`);
}

/** Every file below `folder` whose name passes `wanted`, sorted. */
export function filesBelow(folder, wanted) {
  if (!existsSync(folder)) return [];
  const found = [];
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (entry.isFile() && wanted(entry.name)) found.push(join(entry.parentPath ?? entry.path, entry.name));
  }
  return found.sort();
}

function mustRun(program, args) {
  const code = run(program, args);
  if (code !== 0) process.exit(code);
}

function npm() {
  return process.platform === 'win32' ? 'npm.cmd' : 'npm';
}

function sourceFiles() {
  return SOURCE_FOLDERS.flatMap((folder) => filesBelow(join(root, folder), (name) => name.endsWith('.ts')));
}

/** Content, not times: a fresh checkout, a branch switch and an editor's touch must not compile again. */
function digest(files) {
  const hash = createHash('sha256').update(process.version);
  for (const file of files) hash.update(relative(root, file)).update('\0').update(readFileSync(file)).update('\0');
  return hash.digest('hex');
}

/** A compiled test whose source is gone would still run. */
function removeOrphans(sources) {
  const expected = new Set(sources.map((file) => join(root, 'dist', relative(root, file)).replace(/\.ts$/, '.js')));
  for (const file of filesBelow(join(root, 'dist'), (name) => /\.js(\.map)?$/.test(name))) {
    if (!expected.has(file.replace(/\.map$/, ''))) rmSync(file);
  }
}

function readStamp(file) {
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}
