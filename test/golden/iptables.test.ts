/** Exact rules for sets of options: each file holds words, variables and machine, `---`, and what `--print` must write. */

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { captureOfAnnotations } from '../../iptables/annotations.ts';
import type { HostFacts } from '../../iptables/options.ts';
import { parseOrder, renderPrint } from '../../proxy/cli/iptables.ts';

const beside = fileURLToPath(new URL('../../../test/golden/iptables', import.meta.url));
const folder = existsSync(beside) ? beside : 'test/golden/iptables';

interface Golden {
  readonly argv?: readonly string[];
  /** Instead of argv: what a pod's annotations ask for. */
  readonly annotations?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly host?: Partial<HostFacts>;
}

const POD: HostFacts = { firstAddressIsV6: false, nameServers: { v4: [], v6: [] } };

const files = readdirSync(folder).filter((file) => file.endsWith('.golden')).sort();

t.ok(files.length >= 25, `${files.length} sets of options`);

for (const name of files) {
  t.test(name, async (t) => {
    const file = join(folder, name);
    const [input = '', expected = ''] = readFileSync(file, 'utf8').split('\n---\n');
    const { argv, annotations = {}, env = {}, host } = JSON.parse(input) as Golden;
    const order = parseOrder(['--print', ...(argv ?? annotated(annotations))], env, () => ({ ...POD, ...host }));
    if (!order.ok) throw new Error(order.message);
    const text = renderPrint(order.options);
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, `${input}\n---\n${text}`);
    else t.equal(text, expected);
  });
}

function annotated(annotations: Readonly<Record<string, string>>): readonly string[] {
  const capture = captureOfAnnotations(annotations);
  if (!capture.ok || capture.mode === 'NONE') throw new Error('these annotations make no rules');
  return capture.arguments;
}
