/** Figures → markdown. */

import { readFigures, type Figures } from './figures.ts';
import { describeMachine } from './machine.ts';
import { peers } from './proxies/index.ts';
import { scenarios } from './scenarios/index.ts';
import { summarise, type Summary } from './statistics.ts';
import { judge, targets, type Target, type Verdict } from './targets.ts';
import type { Metric, Scenario } from './types.ts';

const columns: readonly { readonly metric: Metric; readonly title: string; readonly digits: number }[] = [
  { metric: 'cpuUsPerRequest', title: 'CPU µs/request', digits: 1 },
  { metric: 'requestsPerSecond', title: 'requests/s', digits: 0 },
  { metric: 'mbPerCpuSecond', title: 'MB per CPU second', digits: 0 },
  { metric: 'mbPerSecond', title: 'MB/s', digits: 0 },
  { metric: 'p50Us', title: 'p50 µs', digits: 0 },
  { metric: 'p99Us', title: 'p99 µs', digits: 0 },
  { metric: 'p999Us', title: 'p99.9 µs', digits: 0 },
  { metric: 'loadRssMb', title: 'memory under load, MB', digits: 1 },
  { metric: 'firstAnswerMs', title: 'first answer, ms', digits: 0 },
  { metric: 'idleRssMb', title: 'memory idle, MB', digits: 1 },
  { metric: 'reloadMs', title: 'change in effect, ms', digits: 0 },
  { metric: 'stallMs', title: 'longest stall, ms', digits: 1 },
  { metric: 'quietStallMs', title: 'the same without a change, ms', digits: 1 },
];

/** What the peers of a table are divided by each other in, the first that was measured. */
const comparisons: readonly { readonly metric: Metric; readonly title: string }[] = [
  { metric: 'cpuUsPerRequest', title: 'CPU' },
  { metric: 'mbPerCpuSecond', title: 'MB per CPU s' },
];

/** The whole of RESULTS.md, from the figures kept of every scenario. */
export function renderReport(): string {
  const blocks = scenarios.map((scenario) => renderScenario(scenario, readFigures(scenario.name)));
  return `# Benchmark results

Written by \`npm run bench -- --write\`; how to read it: [README.md](README.md). Each cell is the median of the rounds, with
the lowest and the highest round in brackets. Compare figures of one table only: each comes from one run, in which the
peers took turns.

${describeMachine().map((line) => `- ${line}`).join('\n')}

## Targets

${renderTargets()}

Why the missed ones are missed, and what was tried: [PROFILE.md](PROFILE.md).

${blocks.join('\n\n')}
`;
}

/** One scenario as a heading and a table, or a line that says it was not run. */
export function renderScenario(scenario: Scenario, figures: Figures | undefined): string {
  if (figures === undefined) return `## ${scenario.title}\n\nNot measured on this machine.`;
  const measured = columns.filter(({ metric }) => figures.samples.some((sample) => sample.metric === metric));
  const compared = comparisons.find(({ metric }) => measured.some((column) => column.metric === metric));
  const bases = compared === undefined ? [] : (scenario.bases ?? ['nginx', 'envoy', 'envoy-sidecar']).filter((name) => has(figures, name, compared.metric));
  const header = ['peer', ...measured.map((column) => column.title), ...bases.map((base) => `${compared?.title} ÷ ${base}`)];
  const names = [...new Set(figures.samples.map((sample) => sample.peer))].sort((a, b) => orderOf(a) - orderOf(b));
  const rows = names.map((name) => [
    name,
    ...measured.map(({ metric, digits }) => cell(summarise(figures.samples, name, metric), digits)),
    ...bases.map((base) => ratio(figures, name, base, compared?.metric)),
  ]);
  // Peers that are one program in several configurations are named once.
  const first = names.filter((name, index) => figures.versions[name] !== undefined && names.findIndex((other) => figures.versions[other] === figures.versions[name]) === index);
  const versions = first.map((name) => `${name} ${figures.versions[name]}`);
  return `## ${scenario.title}

${table([header, ...rows])}

\`${scenario.name}\`, ${figures.rounds} rounds, ${figures.finished.slice(0, 16).replace('T', ' ')} UTC: ${versions.join(' · ')}`;
}

function renderTargets(): string {
  const rows = targets.map((target) => verdictRow(judge(target, readFigures(target.scenario)?.samples ?? [])));
  return table([['work', 'target', 'measured', 'verdict'], ...rows]);
}

function verdictRow({ target, measured, met }: Verdict): string[] {
  const unit = target.against === undefined ? '' : ` × ${target.against}`;
  const limit = `${target.atLeast === true ? '≥' : '≤'} ${target.limit}${unit}`;
  if (measured === undefined) return [target.text, limit, '–', 'not measured'];
  const figure = target.against === undefined ? measured.toFixed(0) : measured.toFixed(2);
  return [target.text, limit, `${figure}${unit}`, met === true ? 'met' : `**missed by ${missedBy(measured, target)} %**`];
}

function missedBy(measured: number, { limit, atLeast }: Target): string {
  return ((atLeast === true ? 1 - measured / limit : measured / limit - 1) * 100).toFixed(0);
}

function cell(summary: Summary | undefined, digits: number): string {
  if (summary === undefined) return '–';
  const number = (value: number): string => value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
  if (summary.rounds === 1) return number(summary.median);
  return `${number(summary.median)} (${number(summary.min)}–${number(summary.max)})`;
}

function ratio(figures: Figures, peer: string, base: string, metric: Metric = 'cpuUsPerRequest'): string {
  const own = summarise(figures.samples, peer, metric);
  const other = summarise(figures.samples, base, metric);
  return own === undefined || other === undefined ? '–' : (own.median / other.median).toFixed(2);
}

function has(figures: Figures, peer: string, metric: Metric): boolean {
  return figures.samples.some((sample) => sample.peer === peer && sample.metric === metric);
}

function orderOf(peer: string): number {
  const index = peers.findIndex((each) => each.name === peer);
  return index < 0 ? peers.length : index;
}

/** A markdown table whose columns line up in a terminal too. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_unused, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  const line = (row: readonly string[]): string => `| ${row.map((text, column) => text.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const [header = [], ...body] = rows;
  return [line(header), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...body.map(line)].join('\n');
}
