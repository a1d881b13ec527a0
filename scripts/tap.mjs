/** Runs compiled tests under tap, prints one line a file and each failure as it comes, and counts assertions. */

import { spawn } from 'node:child_process';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { digest, filesBelow, readStamp, root, run, say, tool } from './setup.mjs';

/**
 * Runs the tests below `test/<folder>` for each folder named, the files named, or all of them. With CI=true a test
 * skipped for a missing program counts as failed; else each is named with its reason.
 */
export async function runTests(chosen) {
  const files = chosen.length === 0 ? testsBelow('') : chosen.flatMap(select);
  if (files.length === 0) return { passed: 0, failed: 0 };
  if (!ensureTapBuilt()) return { passed: 0, failed: 1 };
  const report = new Report();
  const code = await runTap(files, (line) => report.read(line));
  report.close(files.map((file) => relative(root, file)));
  // A crash of the runner itself leaves no failed test behind.
  return { passed: report.passed, failed: report.failed === 0 && code !== 0 ? 1 : report.failed };
}

/** Calls `take` with each line of TAP; resolves with tap's exit code. */
async function runTap(files, take) {
  const args = ['run', '--reporter=tap', ...files.map((file) => relative(root, file))];
  const tap = spawn(tool('tap'), args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'], shell: process.platform === 'win32' });
  const ended = new Promise((done) => tap.once('close', done).once('error', () => done(1)));
  for await (const line of createInterface({ input: tap.stdout, crlfDelay: Infinity })) take(line);
  return ended;
}

/** What the TAP lines say: subtests are indented by four spaces a level, and a `# Subtest: name` comment goes before each. */
class Report {
  passed = 0;
  failed = 0;
  #files = new Set();
  #skips = [];
  #titles = [];
  /** Levels below which something failed: the result that closes such a level fails only because of it. */
  #failedBelow = [];
  /** Lines of a failure's explanation are printed while this is set. */
  #explaining = false;

  read(line) {
    const depth = Math.floor(/^ */.exec(line)[0].length / 4);
    const text = line.trimStart();
    if (this.#explaining) return this.#explain(line, text);
    const title = /^# Subtest: (.*)$/.exec(text);
    if (title) this.#titles.splice(depth, Infinity, title[1]);
    const result = /^(not )?ok \d+ - (.*?)(?: # SKIP ?(.*?))?(?: # time=([\d.]+)ms)?(?: \{)?$/.exec(text);
    if (result) this.#result(depth, result[1] === undefined, result[2], result[3], Number(result[4] ?? 0));
    const totals = /^# \{ total: \d+, pass: (\d+)(?:, fail: (\d+))?/.exec(line);
    if (totals) [this.passed, this.failed] = [Number(totals[1]), this.failed + Number(totals[2] ?? 0)];
  }

  /** `files` are those that should have reported: tap gives up on the rest when one runs out of time. */
  close(files) {
    for (const file of files.filter((file) => !this.#files.has(file))) {
      this.failed += 1;
      console.log(`FAIL ${withoutFolder(file)} did not run to its end`);
    }
    const strict = process.env.CI === 'true';
    for (const { name, reason } of this.#skips) console.log(`${strict ? 'FAILED, for CI=true allows no skip' : 'skipped'}: ${name}: ${reason}`);
  }

  #result(depth, ok, name, skip, durationMs) {
    const where = [...this.#titles.slice(0, depth), name].map(withoutFolder).join(' > ');
    if (skip !== undefined) this.#skip(where, skip);
    const consequence = this.#failedBelow[depth] === true;
    this.#failedBelow[depth] = false;
    if (!ok && depth > 0) this.#failedBelow[depth - 1] = true;
    if (depth === 0) this.#files.add(name);
    if (depth === 0) console.log(`${ok ? 'ok  ' : 'FAIL'} ${withoutFolder(name)} ${(durationMs / 1000).toFixed(1)} s`);
    if (ok || consequence) return;
    console.log(`  FAILED: ${where}`);
    this.#explaining = true;
  }

  #skip(name, reason) {
    // Whatever the machine, Istio's samples may not lie beside the checkout; everything else .ci/run installs.
    const excused = reason.includes('OUTRIDER_SHARED');
    this.#skips.push({ name, reason: reason || 'no reason given' });
    if (process.env.CI === 'true' && !excused) this.failed += 1;
  }

  /** The YAML block behind a failure, up to its `...`. */
  #explain(line, text) {
    if (text === '---') return;
    if (text === '...' || /^(not )?ok |^# |^\d+\.\.\d+$/.test(text)) this.#explaining = false;
    else console.log(`    ${line}`);
  }
}

function withoutFolder(name) {
  return name.replace(/^dist\/test\//, '').replace(/\.test\.js$/, '');
}

/** tap generates its own test module for the plugin list of .taprc: once per installation and plugin list. */
function ensureTapBuilt() {
  const stamp = join(root, 'node_modules', '.outrider-tap');
  const wanted = digest([join(root, '.taprc'), join(root, 'package-lock.json')]);
  if (readStamp(stamp) === wanted) return true;
  say('preparing tap');
  if (run(tool('tap'), ['build']) !== 0) return false;
  writeFileSync(stamp, wanted);
  return true;
}

function testsBelow(folder) {
  return filesBelow(join(root, 'dist', 'test', folder), (name) => name.endsWith('.test.js'));
}

/** `unit`, `integration/demo`, `test/unit/proxy/router/retry.test.ts` → compiled test files. */
function select(choice) {
  const inside = relative(join(root, 'test'), resolve(root, choice.startsWith('test/') ? choice : join('test', choice)));
  const compiled = ['', '.test.js'].map((ending) => join(root, 'dist', 'test', inside.replace(/\.ts$/, '.js') + ending)).find((file) => existsSync(file) && statSync(file).isFile());
  if (compiled !== undefined) return [compiled];
  const below = testsBelow(inside);
  if (below.length === 0) say(`no test matches ${choice}`);
  return below;
}
