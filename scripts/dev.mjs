/** `npm run dev`: the demo mesh, compiled and restarted at each change of a source file. */

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { ensureBuilt, ensureInstalled, root, tool } from './setup.mjs';

ensureInstalled();
ensureBuilt();
const children = [
  spawn(tool('tsc'), ['-p', 'tsconfig.json', '--watch', '--preserveWatchOutput'], { cwd: root, stdio: 'inherit' }),
  spawn(process.execPath, ['--watch-path=dist/proxy', '--watch-path=dist/filters', '--watch-path=dist/config', '--watch-preserve-output', '--enable-source-maps', join(root, 'dist/proxy/main.js'), 'demo'], { cwd: root, stdio: 'inherit' }),
];
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => stop(signal));
for (const child of children) child.on('exit', () => stop('SIGTERM'));

function stop(signal) {
  for (const child of children) if (child.exitCode === null) child.kill(signal);
}
