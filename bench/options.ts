/** Command line of the bench. */

import { parseArgs } from 'node:util';
import { fullTiming, quickTiming, type Timing } from './config.ts';
import { customPeer } from './proxies/custom.ts';
import { peers as allPeers } from './proxies/index.ts';
import { scenarios as allScenarios } from './scenarios/index.ts';
import type { Peer, Scenario } from './types.ts';

export interface BenchOptions {
  readonly peers: readonly Peer[];
  readonly scenarios: readonly Scenario[];
  readonly timing: Timing;
  /** Write bench/RESULTS.md. */
  readonly write: boolean;
  /** Only build RESULTS.md from the figures of earlier runs. */
  readonly reportOnly: boolean;
}

export const usage = `usage: npm run bench -- [options]
  --scenario A,B   ${allScenarios.map((scenario) => scenario.name).join(' ')}
  --peers A,B      ${allPeers.map((peer) => peer.name).join(' ')}
  --custom CMD     one more peer, e.g. "node proxy.js {listen} {upstream}"; also {folder}, {log}; repeatable
  --rounds N       rounds, interleaved over the peers
  --quick          short rounds, for a look while building
  --write          write bench/RESULTS.md (kept figures of scenarios not run now stay)
  --report         write bench/RESULTS.md from the kept figures, run nothing
`;

/** Throws an Error whose message says which argument is wrong. */
export function parseOptions(argv: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      scenario: { type: 'string' },
      peers: { type: 'string' },
      custom: { type: 'string', multiple: true },
      rounds: { type: 'string' },
      quick: { type: 'boolean' },
      write: { type: 'boolean' },
      report: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  if (values.help === true) throw new Error('help');
  const custom = (values.custom ?? []).map((template, index) => customPeer(index === 0 ? 'custom' : `custom-${index + 1}`, template));
  const timing = values.quick === true ? quickTiming : fullTiming;
  const rounds = Number(values.rounds ?? timing.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error(`--rounds ${values.rounds}: a whole number of 1 or more`);
  return {
    peers: [...choose('--peers', values.peers, allPeers), ...custom],
    scenarios: choose('--scenario', values.scenario, allScenarios),
    timing: { ...timing, rounds },
    write: values.write === true,
    reportOnly: values.report === true,
  };
}

function choose<T extends { readonly name: string }>(option: string, wanted: string | undefined, all: readonly T[]): readonly T[] {
  if (wanted === undefined) return all;
  return wanted.split(',').map((name) => {
    const found = all.find((each) => each.name === name);
    if (found === undefined) throw new Error(`${option} ${name}: unknown; one of ${all.map((each) => each.name).join(', ')}`);
    return found;
  });
}
