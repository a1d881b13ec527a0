/** The resilience table on Outrider, configured as an Istio user would write it: one proxy process for every row. */

import t from 'tap';
import { ScriptedUpstream } from './play/upstream.ts';
import { cases, hosts } from './resilience/index.ts';
import { runTable } from './run-table.ts';
import { startBackends } from './targets/backends.ts';
import { startOutrider } from './targets/outrider.ts';
import { renderSnapshot } from './targets/test-host.ts';

await t.test('the resilience table on Outrider', async (t) => {
  const upstream = new ScriptedUpstream();
  const backends = await startBackends(upstream);
  t.teardown(() => backends.close());
  const target = await startOutrider(t, backends.ports, { snapshot: renderSnapshot(hosts, backends.ports) });
  await runTable(t, 'outrider', target, upstream, cases);
});
