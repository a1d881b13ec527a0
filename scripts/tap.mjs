/**
 * Runs compiled tests, two files at a time, prints one line a file and each failure, and counts assertions from the TAP
 * that each file prints.
 *
 * Not by tap's own command: that preloads code into every process a test starts, with signal handlers and module hooks of
 * its own, and what is tested here is what a proxy does as it is.
 */

import { spawn } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { filesBelow, root, say } from './setup.mjs';

const JOBS = 2;
/** A file that takes longer hangs. */
const LIMIT_MS = 300_000;

/**
 * Runs the tests below `test/<folder>` for each folder named, the files named, or all of them. With CI=true a test
 * skipped for a missing program counts as failed; else each is named with its reason.
 */
export async function runTests(chosen) {
  const files = chosen.length === 0 ? testsBelow('') : chosen.flatMap(select);
  const queue = files[Symbol.iterator]();
  const reports = [];
  await Promise.all(
    Array.from({ length: JOBS }, async () => {
      for (const file of queue) reports.push(await runFile(file));
    }),
  );
  for (const skip of reports.flatMap(({ skips }) => skips)) console.log(`${skip.allowed ? 'skipped' : 'FAILED, for CI=true allows no skip'}: ${skip.name}: ${skip.reason}`);
  const sum = (key) => reports.reduce((total, report) => total + report[key], 0);
  return { passed: sum('passed'), failed: sum('failed') };
}

async function runFile(file) {
  const report = new Report(relative(join(root, 'dist', 'test'), file).replace(/\.test\.js$/, ''));
  const started = performance.now();
  const child = spawn(process.execPath, ['--enable-source-maps', file], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, TAP_TIMEOUT: String(LIMIT_MS / 1000) } });
  const limit = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text));
  const ended = new Promise((done) => child.once('close', (code, signal) => done(signal ?? code)));
  for await (const line of createInterface({ input: child.stdout, crlfDelay: Infinity })) report.read(line);
  report.close(await ended, stderr);
  clearTimeout(limit);
  report.print((performance.now() - started) / 1000);
  return report;
}

/** What one file's TAP says: subtests are indented by four spaces a level, and a `# Subtest: name` comment goes before each. */
class Report {
  passed = 0;
  failed = 0;
  skips = [];
  #file;
  #lines = [];
  #titles = [];
  #finished = false;
  /** Levels below which something failed: the result that closes such a level fails only because of it. */
  #failedBelow = [];
  /** Lines of a failure's explanation are kept while this is set. */
  #explaining = false;

  constructor(file) {
    this.#file = file;
  }

  read(line) {
    const depth = Math.floor(/^ */.exec(line)[0].length / 4);
    const text = line.trimStart();
    if (this.#explaining) return this.#explain(line, text);
    const title = /^# Subtest: (.*)$/.exec(text);
    if (title) this.#titles.splice(depth, Infinity, title[1]);
    const result = /^(not )?ok \d+(?: - (.*?))?(?: # SKIP ?(.*?))?(?: # time=[\d.]+ms)?(?: \{)?$/.exec(text);
    if (result) this.#result(depth, result[1] === undefined, result[2] ?? '', result[3]);
    const totals = /^# \{ total: \d+(?:, pass: (\d+))?(?:, fail: (\d+))?/.exec(line);
    if (totals) {
      this.#finished = true;
      this.passed = Number(totals[1] ?? 0);
      this.failed += Number(totals[2] ?? 0);
    }
  }

  /** `end` is the exit code, or the signal that ended the file. */
  close(end, stderr) {
    const why = !this.#finished ? `did not run to its end (${end})` : end !== 0 && this.failed === 0 ? `ended with ${end}` : this.passed + this.failed + this.skips.length === 0 ? 'holds no test' : undefined;
    if (why !== undefined) {
      this.failed += 1;
      this.#lines.push(`  FAILED: ${this.#file} ${why}`);
    }
    if (this.failed > 0 && stderr !== '') this.#lines.push(...stderr.trimEnd().split('\n').slice(-40).map((line) => `    ${line}`));
  }

  print(seconds) {
    console.log(`${this.failed === 0 ? 'ok  ' : 'FAIL'} ${this.#file} ${seconds.toFixed(1)} s`);
    for (const line of this.#lines) console.log(line);
  }

  #result(depth, ok, name, skip) {
    const where = [this.#file, ...this.#titles.slice(0, depth), name].join(' > ');
    if (skip !== undefined) this.#skip(where, skip);
    const consequence = this.#failedBelow[depth] === true;
    this.#failedBelow[depth] = false;
    if (!ok && depth > 0) this.#failedBelow[depth - 1] = true;
    if (ok || consequence) return;
    this.#lines.push(`  FAILED: ${where}`);
    this.#explaining = true;
  }

  #skip(name, reason) {
    // Istio's samples may lie beside the checkout or not, on any machine; everything else .ci/run installs.
    const allowed = process.env.CI !== 'true' || reason.includes('OUTRIDER_SHARED');
    this.skips.push({ name, reason: reason || 'no reason given', allowed });
    if (!allowed) this.failed += 1;
  }

  /** The YAML block behind a failure, up to its `...`. */
  #explain(line, text) {
    if (text === '---') return;
    if (text === '...' || /^(not )?ok |^# |^\d+\.\.\d+$/.test(text)) this.#explaining = false;
    else this.#lines.push(`    ${line}`);
  }
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
