/** `outrider validate PATH…`: everything that can be said about a snapshot without serving it, one problem a line. */

import { statSync } from 'node:fs';
import { certificateFiles, missingFile } from '../../config/analyze/certificate-files.ts';
import { analyze } from '../../config/analyze/index.ts';
import { rootNamespaceOf } from '../../config/analyze/subject.ts';
import { compile } from '../../config/compile/index.ts';
import { selects } from '../../config/compile/labels.ts';
import type { NodeOptions } from '../../config/compile/node.ts';
import { loadSnapshot } from '../../config/load/snapshot.ts';
import type { Snapshot } from '../../config/load/snapshot.ts';
import type { Problem, Severity } from '../../config/runtime/problem.ts';
import { renderProblem } from '../../config/runtime/problem.ts';
import type { CommandContext, ExitCode } from './command.ts';
import { parseFlags } from './flags.ts';

/** Exit 1 when there is any error. The report goes to standard output: it is what the command is for. */
export async function runValidate(argv: readonly string[], { stdout, stderr }: CommandContext): Promise<ExitCode> {
  const flags = parseFlags(argv, [{ name: 'json' }]);
  const mistake = flags.ok ? (flags.positionals.length === 0 ? 'give at least one file or folder (- for standard input)' : undefined) : flags.message;
  if (!flags.ok || mistake !== undefined) {
    stderr(`outrider validate: ${mistake}\nTry "outrider validate --help".\n`);
    return 2;
  }
  const report = validateSnapshot(flags.positionals);
  stdout(flags.values.has('json') ? `${JSON.stringify(report, undefined, 2)}\n` : renderReport(report, flags.positionals[0]!));
  return report.errors > 0 ? 1 : 0;
}

/** What `--json` prints. */
export interface ValidationReport {
  /** By file, line and column. */
  readonly problems: readonly Problem[];
  readonly errors: number;
  readonly warnings: number;
  /** Kinds that are not for a data plane: how many resources of each. */
  readonly skipped: Readonly<Record<string, number>>;
}

/** Loads, analyzes and compiles for every namespace. `-` among the paths is standard input. */
export function validateSnapshot(paths: readonly string[]): ValidationReport {
  const snapshot = loadSnapshot(paths);
  const found = [...snapshot.problems, ...analyze(snapshot), ...missingFiles(snapshot), ...compileProblems(snapshot)];
  const problems = inFileOrder(withoutRepeats(found));
  return { problems, errors: count(problems, 'error'), warnings: count(problems, 'warning'), skipped: snapshot.skipped };
}

/** A key may well be on another machine than the one that validates: warnings, no errors. */
function missingFiles(snapshot: Snapshot): readonly Problem[] {
  return certificateFiles(snapshot)
    .filter(({ file }) => statSync(file, { throwIfNoEntry: false }) === undefined)
    .map(missingFile);
}

/** As `run` would, which does not get that far with errors in the files. */
function compileProblems(snapshot: Snapshot): readonly Problem[] {
  if (count(snapshot.problems, 'error') > 0) return [];
  return nodesOf(snapshot).flatMap((node) => compile(snapshot, node).problems);
}

/** A sidecar in each namespace, one for each Sidecar resource that selects workloads, and a gateway for each Gateway's selector. */
function nodesOf(snapshot: Snapshot): readonly NodeOptions[] {
  const nodes = new Map<string, NodeOptions>();
  const add = (mode: NodeOptions['mode'], { namespace, name, labels }: Pick<NodeOptions, 'namespace' | 'name' | 'labels'>): void => {
    const key = JSON.stringify([mode, namespace, labels]);
    if (!nodes.has(key)) nodes.set(key, nodeOptions(snapshot, { mode, namespace, name, labels }));
  };
  for (const namespace of namespacesOf(snapshot)) add('sidecar', { namespace, name: 'any', labels: {} });
  for (const { metadata, spec } of snapshot.sidecars) add('sidecar', { ...metadata, labels: spec.workloadSelector?.labels ?? {} });
  for (const { metadata, spec } of snapshot.gateways) {
    const pod = snapshot.pods.find(({ metadata: { labels } }) => selects(spec.selector, labels))?.metadata;
    if (pod === undefined) add('gateway', { ...metadata, labels: spec.selector ?? {} });
    else add('gateway', pod);
  }
  return [...nodes.values()];
}

function namespacesOf(snapshot: Snapshot): ReadonlySet<string> {
  const namespaces = new Set<string>(snapshot.namespaces.map(({ metadata }) => metadata.name));
  const { virtualServices, destinationRules, gateways, serviceEntries, workloadEntries, sidecars, services, pods } = snapshot;
  for (const { metadata } of [...virtualServices, ...destinationRules, ...gateways, ...serviceEntries, ...workloadEntries, ...sidecars, ...services, ...pods]) namespaces.add(metadata.namespace);
  return namespaces;
}

function nodeOptions(snapshot: Snapshot, who: Pick<NodeOptions, 'mode' | 'namespace' | 'name' | 'labels'>): NodeOptions {
  return {
    ...who,
    ip: '',
    serviceAccount: 'default',
    clusterDomain: 'cluster.local',
    trustDomain: 'cluster.local',
    rootNamespace: rootNamespaceOf(snapshot),
    bindAddress: '0.0.0.0',
    outboundPort: 15_001,
    inboundPort: 15_006,
    portMap: {},
  };
}

/** What holds for several namespaces is said once. */
function withoutRepeats(problems: readonly Problem[]): readonly Problem[] {
  return [...new Map(problems.map((problem) => [renderProblem(problem), problem])).values()];
}

function inFileOrder(problems: readonly Problem[]): readonly Problem[] {
  return [...problems].sort((a, b) => compareText(a.file, b.file) || a.line - b.line || a.column - b.column);
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function count(problems: readonly Problem[], severity: Severity): number {
  return problems.filter((problem) => problem.severity === severity).length;
}

/** `firstPath` stands before the line about skipped kinds, which concerns no file in particular. */
function renderReport({ problems, errors, warnings, skipped }: ValidationReport, firstPath: string): string {
  const lines = problems.map(renderProblem);
  const kinds = Object.entries(skipped).map(([kind, number]) => `${kind} ${number}`);
  if (kinds.length > 0) {
    const total = Object.values(skipped).reduce((sum, number) => sum + number, 0);
    const message = `skipped ${total} ${total === 1 ? 'resource' : 'resources'} of kinds that are not for a data plane: ${kinds.sort().join(', ')}`;
    lines.push(renderProblem({ severity: 'info', file: firstPath, line: 1, column: 1, resource: '', path: '', message }));
  }
  return `${[...lines, `${errors} errors, ${warnings} warnings`].join('\n')}\n`;
}
