/** Reads the snapshot and compiles it for one workload, again and again, and compares with what serves. Runs in the compiler's thread. */

import { hostname } from 'node:os';
import { analyzeBrokenReferences } from '../../config/analyze/broken-references.ts';
import { analyzeNotEnforced } from '../../config/analyze/not-enforced.ts';
import { securityRefusals } from '../../config/analyze/unenforced-security.ts';
import { diff } from '../../config/compile/diff.ts';
import { compile } from '../../config/compile/index.ts';
import { resolveNode, type NodeIdentity, type NodeOptions } from '../../config/compile/node.ts';
import { createLoader, type Loader } from '../../config/load/loader.ts';
import type { Snapshot } from '../../config/load/types.ts';
import type { Problem } from '../../config/runtime/problem.ts';
import type { RuntimeConfig } from '../../config/runtime/runtime-config.ts';
import type { Bootstrap } from '../cli/options.ts';
import type { CompileOutcome, FirstOutcome } from './compile-outcome.ts';

/** The serving version is one that this compiler does not know: it must be given that configuration. */
export interface BaseNeeded {
  readonly kind: 'base-needed';
}

/** What serves and what was compiled last: a candidate that could not be bound leaves the one before serving. */
const MOST_KNOWN = 2;

export class SnapshotCompiler {
  readonly #bootstrap: Bootstrap;
  readonly #loader: Loader;
  readonly #known: RuntimeConfig[] = [];

  /** `stdin`: what `-` among the paths stands for. */
  constructor(bootstrap: Bootstrap, stdin: string | undefined) {
    this.#bootstrap = bootstrap;
    this.#loader = createLoader(stdin === undefined ? {} : { stdin: () => stdin });
  }

  compile(): FirstOutcome {
    const snapshot = this.#loader.load(this.#bootstrap.config);
    const outcome = compileSnapshot(snapshot, this.#bootstrap, this.#known.at(-1));
    if (outcome.kind === 'compiled') this.#remember(outcome.config);
    return outcome;
  }

  /** `version` serves now; `base` is its configuration, where it was asked for. */
  recompile(version: string, base?: RuntimeConfig): CompileOutcome | BaseNeeded {
    const from = base ?? this.#known.find((config) => config.version === version);
    if (from === undefined) return { kind: 'base-needed' };
    const outcome = this.compile();
    if (outcome.kind === 'rejected') return outcome;
    const { config, problems } = outcome;
    this.#remember(from);
    this.#remember(config);
    if (config.version === version) return { kind: 'unchanged', problems };
    return { kind: 'changed', delta: diff(from, config), problems };
  }

  #remember(config: RuntimeConfig): void {
    const at = this.#known.findIndex(({ version }) => version === config.version);
    if (at !== -1) this.#known.splice(at, 1);
    this.#known.push(config);
    if (this.#known.length > MOST_KNOWN) this.#known.shift();
  }
}

/** Every condition that a snapshot must meet to be served: read without errors, something in it, a known workload, no security left out. `previous` makes a reload cheaper. */
export function compileSnapshot(snapshot: Snapshot, bootstrap: Bootstrap, previous?: RuntimeConfig): FirstOutcome {
  const loaded = [...snapshot.problems, ...emptiness(snapshot, bootstrap)];
  if (hasErrors(loaded)) return { kind: 'rejected', problems: loaded };
  const identity = identityOf(snapshot, bootstrap);
  if (typeof identity === 'string') return { kind: 'rejected', problems: [...loaded, wholeProblem(bootstrap, identity)] };
  const node = nodeOptions(identity, bootstrap);
  const refusals = securityRefusals(snapshot, node);
  const notEnforced = analyzeNotEnforced({ snapshot });
  const { config, problems } = compile(snapshot, node, previous);
  const broken = analyzeBrokenReferences(snapshot, bootstrap.clusterDomain);
  const all = [...loaded, ...problems, ...refusals, ...broken, ...notEnforced];
  return hasErrors(all) ? { kind: 'rejected', problems: all } : { kind: 'compiled', config, problems: all };
}

function identityOf(snapshot: Snapshot, { identity }: Bootstrap): NodeIdentity | string {
  if (identity.kind === 'workload') return resolveNode(snapshot, { workload: `${identity.namespace}/${identity.name}` });
  const { namespace, name, ip, serviceAccount, labels } = identity;
  return { namespace, name: name ?? hostname(), ip: ip ?? '', serviceAccount, labels };
}

function nodeOptions(identity: NodeIdentity, bootstrap: Bootstrap): NodeOptions {
  const { mode, clusterDomain, trustDomain, rootNamespace, bind, bothFamilies = false, ports, portMap, certs } = bootstrap;
  const capture = { bindAddress: bind, bothFamilies, outboundPort: ports.outbound, inboundPort: ports.inbound, portMap, hasIdentity: certs !== undefined };
  return { ...identity, mode, clusterDomain, trustDomain, rootNamespace, ...capture };
}

/** A mount that is not there yet, or was emptied, must not become a proxy that knows no service. */
function emptiness(snapshot: Snapshot, bootstrap: Bootstrap): readonly Problem[] {
  const lists = Object.values(snapshot).filter((value) => Array.isArray(value) && value !== snapshot.problems);
  const empty = snapshot.meshConfig === undefined && lists.every((list) => list.length === 0);
  return empty && !hasErrors(snapshot.problems) ? [wholeProblem(bootstrap, 'the snapshot holds no resource for a data plane')] : [];
}

function wholeProblem({ config }: Bootstrap, message: string): Problem {
  return { severity: 'error', file: config[0] ?? '-', line: 1, column: 1, resource: '', path: '', message };
}

function hasErrors(problems: readonly Problem[]): boolean {
  return problems.some(({ severity }) => severity === 'error');
}
