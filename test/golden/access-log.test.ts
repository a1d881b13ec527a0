/** Whole lines of Istio's two formats: each file holds streams, `---`, and the lines they must leave. */

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { compileFormat } from '../../proxy/telemetry/access-log/format.ts';
import { completedStream, type StreamChanges } from '../support/completed-stream.ts';

const beside = fileURLToPath(new URL('../../../test/golden/access-log', import.meta.url));
const folder = existsSync(beside) ? beside : 'test/golden/access-log';

interface Golden {
  readonly encoding: 'TEXT' | 'JSON';
  readonly streams: readonly StreamChanges[];
}

for (const name of readdirSync(folder).filter((file) => file.endsWith('.golden')).sort()) {
  t.test(name, async (t) => {
    const file = join(folder, name);
    const [input = '', expected = ''] = readFileSync(file, 'utf8').split('\n---\n');
    const { encoding, streams } = JSON.parse(input) as Golden;
    const format = compileFormat(encoding, undefined);
    if ('problem' in format) throw new Error(format.problem);
    const lines = streams.map((changes) => format(completedStream(changes))).join('');
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, `${input}\n---\n${lines}`);
    else t.equal(lines, expected);
    t.equal(lines.split('\n').length, streams.length + 1, 'a line for each');
  });
}
