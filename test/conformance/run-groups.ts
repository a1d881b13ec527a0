/** Plays the groups of a table side by side against one target: most of a row's time is waiting. */

import type { Test } from 'tap';
import type { Case } from './case.ts';
import type { Proxy } from './play/outcomes.ts';
import { ScriptedUpstream } from './play/upstream.ts';
import { runTable } from './run-table.ts';
import { startBackends } from './targets/backends.ts';
import type { Backends, Target } from './targets/target.ts';
import type { Scene, TestHost } from './targets/test-host.ts';

/** Rows that share an upstream, and so are played one after the other; its hosts are asked by no other group's rows. */
export interface Group {
  readonly hosts: readonly TestHost[];
  readonly cases: readonly Case[];
}

/** `start` is given each group's hosts with what is behind them, and any group's backends for the target itself. */
export async function playGroups(t: Test, proxy: Proxy, groups: readonly Group[], start: (scenes: readonly Scene[], backends: Backends) => Promise<Target>): Promise<void> {
  const upstreams = groups.map(() => new ScriptedUpstream());
  const behind = await startBackends(upstreams);
  t.teardown(() => behind.close());
  const [first] = behind.ports;
  if (first === undefined) throw new Error('a table without groups');
  const scenes = groups.map(({ hosts }, index) => ({ hosts, backends: behind.ports[index] ?? first }));
  const target = await start(scenes, first);
  const played = groups.map(async ({ cases }, index) => {
    const upstream = upstreams[index];
    if (upstream !== undefined && cases.length > 0) await runTable(t, proxy, { ...target, backends: scenes[index]?.backends ?? first }, upstream, cases);
  });
  await Promise.all(played);
}
