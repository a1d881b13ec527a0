/** The conformance table on Outrider: one proxy process for every row. */

import t from 'tap';
import { cases } from './cases/index.ts';
import { ScriptedUpstream } from './play/upstream.ts';
import { runTable } from './run-table.ts';
import { freePort, hangingPort } from './targets/backends.ts';
import { startOutrider } from './targets/outrider.ts';

await t.test('the table on Outrider', async (t) => {
  const upstream = new ScriptedUpstream();
  const hanging = await hangingPort();
  t.teardown(() => {
    upstream.close();
    hanging.close();
  });
  const target = await startOutrider(t, { upstream: await upstream.listen(), refused: await freePort(), hanging: hanging.port });
  await runTable(t, 'outrider', target, upstream, cases);
});
