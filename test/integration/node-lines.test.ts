/**
 * The newer Node lines: what touches private parts of `net` and `tls` (`proxy/base/socket.ts`, `tls-socket.ts`), and a whole proxy, run on each. The
 * line that runs the other tests is not tried again.
 */

import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { inTime } from '../support/scope.ts';

const LINES = [22, 24, 26];
const FILES = ['unit/proxy/codec/server-connection', 'integration/http1', 'integration/tls', 'integration/examples', 'conformance/attacks'];
const LIMIT_MS = 120_000;

for (const line of LINES.filter((line) => !process.version.startsWith(`v${line}.`))) {
  const node = binaryOf(line);
  const install = `npm install --no-save --prefix .cache/node-${line} node-${process.platform}-${process.arch}@${line}`;
  t.test(`Node ${line}`, { skip: node === undefined ? `not installed (${install})` : false }, async (t) => {
    for (const file of FILES) {
      const { code, output } = await runOn(node ?? '', file);
      t.equal(code, 0, `${file} on ${node}`, { output: output.slice(-4000) });
    }
  });
}

/** From the npm package that carries the binary; undefined where it is not installed. */
function binaryOf(line: number): string | undefined {
  const inside = `.cache/node-${line}/node_modules/node-${process.platform}-${process.arch}/bin/node`;
  return [fileURLToPath(new URL(`../../../${inside}`, import.meta.url)), inside].find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

async function runOn(node: string, file: string): Promise<{ readonly code: number | null; readonly output: string }> {
  const compiled = fileURLToPath(new URL(`../${file}.test.js`, import.meta.url));
  const child = spawn(node, ['--enable-source-maps', compiled], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
  const ended = new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve));
  try {
    return { code: await inTime(ended, `${file} on ${node}`, LIMIT_MS), output };
  } finally {
    child.kill('SIGKILL');
  }
}
