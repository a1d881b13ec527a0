/** Plays the whole table against one target and reports each row as a test. */

import type { Test } from 'tap';
import type { Case } from './case.ts';
import { logDifferences, parseLogLine, type LogLine } from './play/access-log.ts';
import { differences } from './play/check.ts';
import { outcomes, type Proxy } from './play/outcomes.ts';
import { play, type Observed } from './play/play.ts';
import type { ScriptedUpstream } from './play/upstream.ts';
import type { Backends, Target } from './targets/target.ts';

interface Played {
  readonly case: Case;
  readonly observed: Observed;
}

/** Access logs are written in batches; the last lines may come this much later. */
const logPatienceMs = 3000;

const clockGrainMs = 20;

export async function runTable(t: Test, proxy: Proxy, target: Target, upstream: ScriptedUpstream, cases: readonly Case[]): Promise<void> {
  const played: Played[] = [];
  for (const each of cases) {
    const observed = await play(proxy, target.port, upstream, each);
    played.push({ case: each, observed });
    if (!target.alive()) break;
  }
  t.ok(target.alive(), `the proxy lives: ${target.output().slice(-2000)}`);
  const lines = await collectLog(proxy, target, played);
  for (const each of played) {
    const found = verdict(proxy, each, lines, target.backends);
    t.same(found, [], `${each.case.row}: ${each.case.name}`);
  }
}

function verdict(proxy: Proxy, { case: each, observed }: Played, lines: readonly LogLine[], backends: Backends): string[] {
  const own = lines.filter((line) => belongs(line, observed));
  const attempts = outcomes(each, proxy).map((expected) => [
    ...differences(observed, expected),
    ...(expected.log === undefined ? [] : logDifferences(own, expected.log, backends)),
  ]);
  return attempts.find((found) => found.length === 0) ?? attempts[0] ?? [];
}

/** Waits until every connection of the table has at least the lines that one of its outcomes asks for. */
async function collectLog(proxy: Proxy, target: Target, played: readonly Played[]): Promise<LogLine[]> {
  const deadline = performance.now() + logPatienceMs;
  for (;;) {
    const lines = target.logLines().map(parseLogLine).filter((line) => line !== undefined);
    const missing = played.some(({ case: each, observed }) => {
      const wanted = Math.min(...outcomes(each, proxy).map((expected) => expected.log?.length ?? 0));
      return lines.filter((line) => belongs(line, observed)).length < wanted;
    });
    if (!missing || performance.now() > deadline) return lines;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Ports come round again within one table, so the time counts too; a proxy may read its clock once per turn of its loop. */
function belongs(line: LogLine, observed: Observed): boolean {
  const early = observed.fromMs - line.startMs;
  return line.clientPort === observed.clientPort && early <= clockGrainMs && line.startMs <= observed.toMs;
}
