/** The resilience table on Outrider, configured as an Istio user would write it: one proxy process for the rows of either side. */

import t from 'tap';
import { inboundGroup, inboundWorkload, renderInbound } from './resilience/inbound.ts';
import { groups } from './resilience/index.ts';
import { playGroups } from './run-groups.ts';
import { startOutrider } from './targets/outrider.ts';
import { renderSnapshot } from './targets/test-host.ts';

await t.test('the resilience table on Outrider', (t) =>
  playGroups(t, 'outrider', groups, (scenes, backends) => startOutrider(t, backends, { snapshot: renderSnapshot(scenes) })),
);

await t.test('its rows for the server side on Outrider', (t) =>
  playGroups(t, 'outrider', [inboundGroup], async (scenes, backends) => {
    const target = await startOutrider(t, backends, { snapshot: renderInbound(scenes), args: ['--workload', inboundWorkload] });
    return { ...target, port: target.proxy.inbound };
  }),
);
