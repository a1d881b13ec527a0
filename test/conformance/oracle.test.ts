/**
 * Proves the tables on the real Envoy, so that a row never asks for something nobody does: Envoy must answer as the row
 * expects, or as the row records that Envoy differs. Runs when OUTRIDER_ORACLE=1, because users need no Envoy.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { envoy } from '../support/programs.ts';
import { cases } from './cases/index.ts';
import { inboundGroup } from './resilience/inbound.ts';
import { groups } from './resilience/index.ts';
import { playGroups } from './run-groups.ts';
import { startEnvoy, type EnvoyPlan } from './targets/envoy.ts';
import type { Backends, Target } from './targets/target.ts';
import { planEnvoy } from './targets/test-host.ts';

if (process.env['OUTRIDER_ORACLE'] !== '1') t.pass('the real Envoy is asked when OUTRIDER_ORACLE=1');
else {
  t.equal(envoy().missing, false, 'there is an Envoy to ask');
  await t.test('the table of attacks on the real Envoy', (t) => playGroups(t, 'envoy', [{ hosts: [], cases }], (_scenes, backends) => start(t, backends)));
  for (const [side, sideGroups] of [['', groups], [' for the server side', [inboundGroup]]] as const) {
    await t.test(`the resilience table${side} on the real Envoy`, (t) => playGroups(t, 'envoy', sideGroups, (scenes, backends) => start(t, backends, planEnvoy(scenes))));
  }
}

async function start(t: Test, backends: Backends, plan?: EnvoyPlan): Promise<Target> {
  const folder = mkdtempSync(join(tmpdir(), 'outrider-oracle-'));
  const target = await startEnvoy(folder, backends, plan);
  t.teardown(async () => {
    await target.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  return target;
}
