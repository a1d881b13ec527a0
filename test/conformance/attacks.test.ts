/** The conformance table on Outrider: one proxy process for every row. */

import t from 'tap';
import { cases } from './cases/index.ts';
import { ScriptedUpstream } from './play/upstream.ts';
import { runTable } from './run-table.ts';
import { startBackends } from './targets/backends.ts';
import { startOutrider } from './targets/outrider.ts';

await t.test('the table on Outrider', async (t) => {
  const upstream = new ScriptedUpstream();
  const backends = await startBackends([upstream]);
  t.teardown(() => backends.close());
  const [ports] = backends.ports;
  if (ports !== undefined) await runTable(t, 'outrider', await startOutrider(t, ports), upstream, cases);
});
