/**
 * The inverse of the rules: which parts of what iptables-save printed are ours, and the transactions that remove them,
 * replace them, or put back what was there. Pure.
 *
 * Ours are the chains of our names, every jump to them from a built-in chain, and what those chains record of the rest.
 */

import { OWN_CHAINS } from './constants.ts';
import { findAnchors, recordRules, type Anchor } from './own-anchors.ts';
import { chainsOf, renderTable } from './render.ts';
import { renderRule, TABLES, targetOf, type Rule } from './rule.ts';
import { savedForm, type SavedRules, type SavedTable } from './saved.ts';

/** What is ours in one table. */
export interface OwnTable {
  readonly table: string;
  /** Our chains with their rules. */
  readonly chains: ReadonlyMap<string, readonly string[]>;
  /** Our rules in built-in chains, from the top of each chain down. */
  readonly anchors: readonly Anchor[];
}

/** Empty where none of our chains exists. `rules` are those that the present options make, for where there is no record. */
export function findOwn(saved: SavedRules, rules: readonly Rule[]): readonly OwnTable[] {
  const present = [...saved].some(([, { chains }]) => ownChains(chains).size > 0);
  if (!present) return [];
  return [...saved].flatMap(([table, found]) => {
    const own = { table, chains: ownChains(found.chains), anchors: findAnchors(found, rules.filter((rule) => rule.table === table)) };
    return own.chains.size + own.anchors.length === 0 ? [] : [own];
  });
}

/** Chains of others that jump to ours, as `table CHAIN`: their rules stay, so ours cannot go. */
export function foreignJumps(saved: SavedRules): readonly string[] {
  return [...saved].flatMap(([table, { chains, builtIn }]) =>
    [...chains].filter(([name, specs]) => !builtIn.has(name) && !OWN_CHAINS.has(name) && specs.some(jumpsToOurs)).map(([name]) => `${table} ${name}`),
  );
}

/** Text that removes everything of ours; empty where there is nothing. */
export function renderRemoval(saved: SavedRules, rules: readonly Rule[]): string {
  return findOwn(saved, rules).map((own) => renderChange(saved.get(own.table), own, { table: own.table, chains: new Map(), lines: [] })).join('');
}

/**
 * Text that leaves exactly these rules of ours, whatever was there. Where our rules in the built-in chains are right
 * already they stay untouched, in their place among those of others.
 */
export function renderReplacement(saved: SavedRules, rules: readonly Rule[]): string {
  const own = findOwn(saved, rules);
  return TABLES.map((table) => {
    const present = own.find((candidate) => candidate.table === table) ?? { table, chains: new Map(), anchors: [] };
    const wanted = [...rules, ...recordRules(rules)].filter((rule) => rule.table === table);
    if (present.chains.size + present.anchors.length + wanted.length === 0) return '';
    const keep = sameAnchors(present.anchors, wanted);
    const lines = wanted.filter(({ chain }) => !keep || OWN_CHAINS.has(chain)).map(renderRule);
    const chains = new Map(chainsOf(wanted, table).map((name): [string, readonly string[]] => [name, []]));
    return renderChange(saved.get(table), keep ? { ...present, anchors: [] } : present, { table, chains, lines });
  }).join('');
}

/** Text that turns what is ours now into what was ours before, in the same places. */
export function renderRestoration(now: SavedRules, before: SavedRules, rules: readonly Rule[]): string {
  const [present, past] = [findOwn(now, rules), findOwn(before, rules)];
  const tables = [...new Set([...present, ...past].map(({ table }) => table))];
  return tables.map((table) => {
    const own = present.find((candidate) => candidate.table === table) ?? { table, chains: new Map(), anchors: [] };
    const target = past.find((candidate) => candidate.table === table);
    const inChains = [...(target?.chains ?? [])].flatMap(([name, specs]) => specs.map((spec) => `-A ${name} ${spec}`));
    const anchors = (target?.anchors ?? []).map(({ chain, index, spec }) => `-I ${chain} ${index + 1} ${spec}`);
    return renderChange(now.get(table), own, { table, chains: target?.chains ?? new Map(), lines: [...inChains, ...anchors] });
  }).join('');
}

interface Target {
  readonly table: string;
  /** Chains that are to be there, empty at first. */
  readonly chains: ReadonlyMap<string, readonly string[]>;
  readonly lines: readonly string[];
}

/** One table: empty our chains, take our anchors away, add the lines, delete what is no longer needed. */
function renderChange(saved: SavedTable | undefined, own: OwnTable, target: Target): string {
  const stale = [...own.chains.keys()].filter((name) => !target.chains.has(name));
  const removals = [...own.anchors].reverse().map((anchor) => renderDeletion(saved, anchor));
  return renderTable(target.table, [...target.chains.keys(), ...stale], [...removals, ...target.lines, ...stale.map((name) => `-X ${name}`)]);
}

/**
 * By its text where it is the only such rule, which stays right if somebody else changes the chain meanwhile; by its
 * place, counted from 1, where another reads the same. Called from the bottom of a chain up, so that places hold.
 */
function renderDeletion(saved: SavedTable | undefined, { chain, index, spec }: Anchor): string {
  const same = saved?.chains.get(chain)?.filter((candidate) => candidate === spec).length ?? 0;
  return `-D ${chain} ${same > 1 ? index + 1 : spec}`;
}

function sameAnchors(anchors: readonly Anchor[], rules: readonly Rule[]): boolean {
  const wanted = new Map<string, string[]>();
  for (const rule of rules) {
    if (OWN_CHAINS.has(rule.chain)) continue;
    const specs = wanted.get(rule.chain) ?? [];
    specs.splice(rule.position === undefined ? specs.length : rule.position - 1, 0, savedForm(rule));
    wanted.set(rule.chain, specs);
  }
  const inChain = (chain: string): string => JSON.stringify(anchors.filter((anchor) => anchor.chain === chain).map(({ spec }) => spec));
  const chains = new Set([...wanted.keys(), ...anchors.map(({ chain }) => chain)]);
  return [...chains].every((chain) => inChain(chain) === JSON.stringify(wanted.get(chain) ?? []));
}

function ownChains(chains: SavedTable['chains']): ReadonlyMap<string, readonly string[]> {
  return new Map([...chains].filter(([name]) => OWN_CHAINS.has(name)));
}

function jumpsToOurs(spec: string): boolean {
  return OWN_CHAINS.has(targetOf(spec) ?? '');
}
