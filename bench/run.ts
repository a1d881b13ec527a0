/** `npm run bench`: scenario × proxy, rounds interleaved, one table per scenario. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execFileSync } from 'node:child_process';
import { loadCore } from './config.ts';
import { keepFigures, type Figures } from './figures.ts';
import { describeMachine } from './machine.ts';
import { checkoutRoot } from './measure/places.ts';
import { pinning, stopAllPrograms } from './measure/process.ts';
import { parseOptions, usage, type BenchOptions } from './options.ts';
import { renderReport, renderScenario } from './report.ts';
import type { Peer, Scenario, Work } from './types.ts';

/** Lines that need not be said again. */
const absences = new Set<string>();

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void stopAllPrograms().then(() => process.exit(1)));
}
process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  let options: BenchOptions;
  try {
    options = parseOptions(argv);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${usage}`);
    return 2;
  }
  if (!options.reportOnly) await measureAll(options);
  if (options.write || options.reportOnly) writeFileSync(join(checkoutRoot, 'bench', 'RESULTS.md'), renderReport());
  return 0;
}

async function measureAll(options: BenchOptions): Promise<void> {
  moveToLoadCore();
  for (const line of describeMachine()) note(line);
  const scratch = mkdtempSync(join(tmpdir(), 'outrider-bench-'));
  try {
    for (const scenario of options.scenarios) await measureOne(scenario, options, scratch);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function measureOne(scenario: Scenario, options: BenchOptions, scratch: string): Promise<void> {
  const peers = options.peers.filter((peer) => scenario.admits(peer)).filter((peer) => isPresent(peer, scenario.work ?? 'http'));
  if (peers.length === 0) return note(`${scenario.name}: none of the peers asked for can do it`);
  const folder = (name: string): string => {
    const path = join(scratch, name);
    mkdirSync(path, { recursive: true });
    return path;
  };
  const samples = await scenario.run({ peers, timing: options.timing, folder, note });
  const figures: Figures = {
    scenario: scenario.name,
    finished: new Date().toISOString(),
    rounds: options.timing.rounds,
    measureMs: options.timing.measureMs,
    versions: Object.fromEntries(peers.map((peer) => [peer.name, peer.version()])),
    samples,
  };
  if (options.write) keepFigures(figures);
  process.stdout.write(`\n${renderScenario(scenario, figures)}\n\n`);
}

/** What a peer lacks is said once. */
function isPresent(peer: Peer, work: Work): boolean {
  const reason = peer.missing(work);
  const line = `${peer.name} is left out: ${reason}`;
  if (reason !== undefined && !absences.has(line)) note(line);
  absences.add(line);
  return reason === undefined;
}

/** The bench itself must not disturb the proxy's core. */
function moveToLoadCore(): void {
  if (pinning) execFileSync('taskset', ['-a', '-c', '-p', String(loadCore), String(process.pid)], { stdio: 'ignore' });
}

function note(line: string): void {
  process.stderr.write(`${line}\n`);
}
