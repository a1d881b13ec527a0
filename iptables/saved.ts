/** What iptables-save prints, as tables, chains and rules. */

import type { Rule } from './rule.ts';

export interface SavedTable {
  /** Chains with their rules in order, each as after `-A CHAIN`, in the kernel's spelling. */
  readonly chains: ReadonlyMap<string, readonly string[]>;
  /** Chains that the kernel brings: rules there see packets without being jumped to. */
  readonly builtIn: ReadonlySet<string>;
}

export type SavedRules = ReadonlyMap<string, SavedTable>;

/** Comments, counters and COMMIT lines are skipped. */
export function parseSaved(text: string): SavedRules {
  const tables = new Map<string, { chains: Map<string, string[]>; builtIn: Set<string> }>();
  let table: { chains: Map<string, string[]>; builtIn: Set<string> } | undefined;
  for (const line of text.split('\n')) {
    const [, name] = /^\*\s*(\w+)/.exec(line) ?? [];
    if (name !== undefined) tables.set(name, (table = { chains: new Map(), builtIn: new Set() }));
    const [, chain, policy] = /^:(\S+) (\S+)/.exec(line) ?? [];
    if (chain !== undefined) {
      table?.chains.set(chain, []);
      if (policy !== '-') table?.builtIn.add(chain);
    }
    const [, owner = '', spec = ''] = /^(?:\[\d+:\d+\] )?-A (\S+) ?(.*)$/.exec(line) ?? [];
    table?.chains.get(owner)?.push(spec);
  }
  return tables;
}

/** Number of rules in all chains. */
export function countRules(saved: SavedRules): number {
  const lengths = [...saved.values()].flatMap(({ chains }) => [...chains.values()].map((specs) => specs.length));
  return lengths.reduce((sum, length) => sum + length, 0);
}

/**
 * A rule of ours in a built-in chain as iptables-save spells it: addresses, interfaces and protocol first, marks in
 * hexadecimal, masks written out. Where a version of iptables spells it otherwise the rule is taken for a changed one and
 * made anew, which is slower and not wrong.
 */
export function savedForm({ spec }: Pick<Rule, 'spec'>): string {
  const parts = spec.match(/(?:! )?-\S+(?: (?!-|! -)\S+)*/g) ?? [];
  const placed = parts.map((part) => ({ part, rank: rankOf(part) }));
  return placed
    .sort((a, b) => a.rank - b.rank)
    .map(({ part }) => spellOut(part))
    .join(' ');
}

const FIRST = ['-s', '-d', '-i', '-o', '-p'];

function rankOf(part: string): number {
  const place = FIRST.indexOf(part.replace(/^! /, '').slice(0, 2));
  return place === -1 || part.startsWith('--') || part.startsWith('! --') ? FIRST.length : place;
}

function spellOut(part: string): string {
  const hexadecimal = (mark: string): string => `0x${Number(mark).toString(16)}`;
  return part
    .replace(/^((?:! )?--mark) (\d+)$/, (_whole, name: string, mark: string) => `${name} ${hexadecimal(mark)}`)
    .replace(/^--set-mark (\d+)$/, (_whole, mark: string) => `--set-xmark ${hexadecimal(mark)}/0xffffffff`)
    .replace(/^--(save|restore)-mark$/, '--$1-mark --nfmask 0xffffffff --ctmask 0xffffffff');
}
