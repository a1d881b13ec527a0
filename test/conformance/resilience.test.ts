/** The resilience table on Outrider, configured as an Istio user would write it: one proxy process for every row. */

import t from 'tap';
import { groups } from './resilience/index.ts';
import { playGroups } from './run-groups.ts';
import { startOutrider } from './targets/outrider.ts';
import { renderSnapshot } from './targets/test-host.ts';

await t.test('the resilience table on Outrider', (t) =>
  playGroups(t, 'outrider', groups, (scenes, backends) => startOutrider(t, backends, { snapshot: renderSnapshot(scenes) })),
);
