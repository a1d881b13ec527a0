/** `outrider explain`: what becomes of one request, and why, without sending it. */

import { readFileSync } from 'node:fs';
import { compileWithTrace } from '../../config/compile/index.ts';
import { loadSnapshot } from '../../config/load/snapshot.ts';
import { renderProblem } from '../../config/runtime/problem.ts';
import type { RuntimeConfig } from '../../config/runtime/runtime-config.ts';
import { compileSnapshot } from '../server/snapshot-compiler.ts';
import type { CommandContext, ExitCode } from './command.ts';
import type { AskedRequest } from './explain/asked-request.ts';
import { parseAskedRequest } from './explain/asked-request.ts';
import { explainRequest } from './explain/decide.ts';
import { renderExplanation } from './explain/render.ts';
import type { GivenFlags } from './flags.ts';
import { parseFlags } from './flags.ts';
import type { Bootstrap } from './options.ts';
import { isUsageError, parseRunOptions, RUN_FLAGS } from './options.ts';

const OWN_FLAGS = [{ name: 'header', short: 'H', value: "'name: value'" }, { name: 'json' }];

/** 0 whenever a decision was reached, a 404 included; 1 when `run` would refuse the snapshot; 2 on wrong usage. */
export async function runExplain(argv: readonly string[], context: CommandContext): Promise<ExitCode> {
  const call = parseCall(argv, context);
  if (typeof call === 'string') {
    context.stderr(`outrider explain: ${call}\n(outrider explain --help lists the options)\n`);
    return 2;
  }
  const snapshot = loadSnapshot(call.bootstrap.config);
  const outcome = compileSnapshot(snapshot, call.bootstrap);
  if (outcome.kind === 'rejected') {
    for (const problem of outcome.problems.filter(({ severity }) => severity === 'error')) context.stderr(`${renderProblem(problem)}\n`);
    return 1;
  }
  const { config, trace } = compileWithTrace(snapshot, nodeOf(outcome.config, call.bootstrap));
  const explanation = explainRequest(call.asked, { config, snapshot, trace });
  context.stdout(call.json ? `${JSON.stringify(explanation, undefined, 2)}\n` : renderExplanation(explanation));
  return 0;
}

interface Call {
  readonly bootstrap: Bootstrap;
  readonly asked: AskedRequest;
  readonly json: boolean;
}

/** Options of `run` say for whom; METHOD and URL say what. A message where the call is wrong. */
function parseCall(argv: readonly string[], { env }: CommandContext): Call | string {
  const flags = parseFlags(argv, [...RUN_FLAGS, ...OWN_FLAGS]);
  if (!flags.ok) return flags.message;
  const [method, url, extra] = flags.positionals;
  if (method === undefined || url === undefined) return 'give METHOD and URL, as in: GET http://reviews:9080/';
  if (extra !== undefined) return `unexpected argument '${extra}'`;
  const bootstrap = parseRunOptions(runFlags(flags), env, readText);
  if (isUsageError(bootstrap)) return bootstrap.message;
  const asked = parseAskedRequest(method, url, flags.values.get('header') ?? []);
  return typeof asked === 'string' ? asked : { bootstrap, asked, json: flags.values.has('json') };
}

/** Those of the given flags that `run` knows, as it would be given them. The capture port itself plays no part. */
function runFlags({ values }: GivenFlags): readonly string[] {
  return RUN_FLAGS.flatMap(({ name }) => (name === 'outbound-port' ? [] : (values.get(name) ?? []).map((value) => `--${name}=${value}`)));
}

/** The node as it was compiled for, whoever named it. */
function nodeOf({ node }: RuntimeConfig, { bind, ports, portMap, certs }: Bootstrap) {
  return { ...node, bindAddress: bind, outboundPort: ports.outbound, inboundPort: ports.inbound, portMap, hasIdentity: certs !== undefined };
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
