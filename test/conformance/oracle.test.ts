/**
 * Proves the table on the real Envoy, so that a row never asks for something nobody does: Envoy must answer as the row
 * expects, or as the row records that Envoy differs. Runs when OUTRIDER_ORACLE=1, because users need no Envoy.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { envoy } from '../support/programs.ts';
import { cases } from './cases/index.ts';
import { ScriptedUpstream } from './play/upstream.ts';
import { runTable } from './run-table.ts';
import { freePort, hangingPort } from './targets/backends.ts';
import { startEnvoy } from './targets/envoy.ts';

if (process.env['OUTRIDER_ORACLE'] !== '1') t.pass('the real Envoy is asked when OUTRIDER_ORACLE=1');
else await t.test('the table on the real Envoy', ask);

async function ask(t: Test): Promise<void> {
  t.equal(envoy().missing, false, 'there is an Envoy to ask');
  const folder = mkdtempSync(join(tmpdir(), 'outrider-oracle-'));
  const upstream = new ScriptedUpstream();
  const hanging = await hangingPort();
  const target = await startEnvoy(folder, { upstream: await upstream.listen(), refused: await freePort(), hanging: hanging.port });
  t.teardown(async () => {
    await target.stop();
    upstream.close();
    hanging.close();
    rmSync(folder, { recursive: true, force: true });
  });
  await runTable(t, 'envoy', target, upstream, cases);
}
