/**
 * Proves the tables on the real Envoy, so that a row never asks for something nobody does: Envoy must answer as the row
 * expects, or as the row records that Envoy differs. Runs when OUTRIDER_ORACLE=1, because users need no Envoy.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { envoy } from '../support/programs.ts';
import type { Case } from './case.ts';
import { cases } from './cases/index.ts';
import { ScriptedUpstream } from './play/upstream.ts';
import * as resilience from './resilience/index.ts';
import { runTable } from './run-table.ts';
import { startBackends } from './targets/backends.ts';
import { startEnvoy, type EnvoyPlan } from './targets/envoy.ts';
import type { Backends } from './targets/target.ts';
import { planEnvoy } from './targets/test-host.ts';

if (process.env['OUTRIDER_ORACLE'] !== '1') t.pass('the real Envoy is asked when OUTRIDER_ORACLE=1');
else {
  t.equal(envoy().missing, false, 'there is an Envoy to ask');
  await t.test('the table of attacks on the real Envoy', (t) => ask(t, cases));
  await t.test('the resilience table on the real Envoy', (t) => ask(t, resilience.cases, (backends) => planEnvoy(resilience.hosts, backends)));
}

async function ask(t: Test, table: readonly Case[], plan?: (backends: Backends) => EnvoyPlan): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'outrider-oracle-'));
  const upstream = new ScriptedUpstream();
  const backends = await startBackends(upstream);
  const target = await startEnvoy(folder, backends.ports, plan?.(backends.ports));
  t.teardown(async () => {
    await target.stop();
    backends.close();
    rmSync(folder, { recursive: true, force: true });
  });
  await runTable(t, 'envoy', target, upstream, table);
}
