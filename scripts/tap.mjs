/** Runs compiled tests under tap and counts what happened from its TAP output. */

import { createReadStream, existsSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { cacheFolder, digest, filesBelow, readStamp, root, run, say, tool } from './setup.mjs';

/**
 * Runs the tests below `test/<folder>` for each folder named, the files named, or all of them. With CI=true a test
 * skipped for a missing program counts as failed; else each is named with its reason.
 */
export async function runTests(chosen) {
  const files = chosen.length === 0 ? testsBelow('') : chosen.flatMap(select);
  if (files.length === 0) return { passed: 0, failed: 0 };
  const report = join(cacheFolder('tap'), 'report.tap');
  rmSync(report, { force: true });
  if (!ensureTapBuilt()) return { passed: 0, failed: 1 };
  const reporter = process.stdout.isTTY ? 'base' : 'min';
  const code = run(tool('tap'), ['run', `--reporter=${reporter}`, `--output-file=${report}`, ...files.map((file) => relative(root, file))]);
  if (!existsSync(report)) return { passed: 0, failed: 1 };
  const { passed, failed, skips } = await count(report);
  const strict = process.env.CI === 'true';
  for (const { name, reason } of skips) console.log(`${strict ? 'FAILED (skipped under CI=true)' : 'skipped'}: ${name}: ${reason}`);
  const failures = failed + (strict ? skips.length : 0);
  // A crash of the runner itself leaves no failed test behind.
  return { passed, failed: failures === 0 && code !== 0 ? 1 : failures };
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
  const compiled = join(root, 'dist', 'test', inside.replace(/\.ts$/, '.js'));
  if (existsSync(compiled) && statSync(compiled).isFile()) return [compiled];
  const below = testsBelow(inside);
  if (below.length === 0) say(`no test matches ${choice}`);
  return below;
}

/**
 * Assertions as tap itself totals them in the report's last comment, and each skip with the file and test it stands in.
 * Subtests are indented by four spaces a level and introduced by a `# Subtest: name` comment one level up.
 */
async function count(report) {
  const skips = [];
  const titles = [];
  let totals = { pass: 0, fail: 0 };
  for await (const line of createInterface({ input: createReadStream(report), crlfDelay: Infinity })) {
    const depth = /^ */.exec(line)[0].length / 4;
    const text = line.trimStart();
    const title = /^# Subtest: (.*)$/.exec(text);
    if (title) titles.splice(depth, Infinity, title[1]);
    const skip = /^(?:not )?ok \d+ - (.*?) # SKIP\b ?(.*)$/i.exec(text);
    if (skip) skips.push({ name: [...titles.slice(0, depth), skip[1]].join(' > '), reason: skip[2] || 'no reason given' });
    const summary = /^# \{ total: \d+, pass: (\d+)(?:, fail: (\d+))?/.exec(line);
    if (summary) totals = { pass: Number(summary[1]), fail: Number(summary[2] ?? 0) };
  }
  return { passed: totals.pass, failed: totals.fail, skips };
}
