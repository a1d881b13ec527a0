/**
 * Our rules in built-in chains. Most jump to a chain of ours and are known by that. The others name no chain (an excluded
 * interface, a mark of TPROXY) and could as well be somebody else's, so apply records a copy of each in a chain of ours
 * that nothing jumps to: clean needs no options, and never takes away what it did not make. Pure.
 */

import { OWN_CHAINS, RECORD_PREFIX } from './constants.ts';
import { append, targetOf, type Rule } from './rule.ts';
import { savedForm, type SavedTable } from './saved.ts';

export interface Anchor {
  readonly chain: string;
  /** Place in its chain, from 0. */
  readonly index: number;
  /** As saved. */
  readonly spec: string;
}

/** Copies of the rules that only a record can tell apart, in `OUTRIDER_<chain>`; those inserted at the top of a chain in `OUTRIDER_<chain>_TOP`. */
export function recordRules(rules: readonly Rule[]): readonly Rule[] {
  return rules.filter(isAnonymous).map(({ table, chain, position, spec }) => append(table, recordOf(chain, position !== undefined), spec));
}

/**
 * In each chain from the top down. `rules` are what the present options make in this table: they stand in where there is
 * no record, because istio-iptables or the text of --print made the rules.
 */
export function findAnchors(saved: SavedTable, rules: readonly Rule[]): readonly Anchor[] {
  const recorded = [...saved.chains.keys()].some((name) => name.startsWith(RECORD_PREFIX) && OWN_CHAINS.has(name));
  return [...saved.builtIn].flatMap((chain) => {
    const specs = saved.chains.get(chain) ?? [];
    const places = new Set(specs.flatMap((spec, index) => (OWN_CHAINS.has(targetOf(spec) ?? '') ? [index] : [])));
    const copies = (top: boolean): readonly string[] => (recorded ? saved.chains.get(recordOf(chain, top)) : expectedIn(rules, chain, top)) ?? [];
    const free = (copy: string): number[] => specs.flatMap((spec, index) => (spec === copy && !places.has(index) ? [index] : []));
    // Where another rule reads the same, ours is the one that stands where we put ours.
    for (const copy of copies(true)) addPlace(places, free(copy)[0]);
    for (const copy of copies(false)) addPlace(places, free(copy).at(-1));
    return [...places].sort((a, b) => a - b).map((index) => ({ chain, index, spec: specs[index] ?? '' }));
  });
}

function expectedIn(rules: readonly Rule[], chain: string, top: boolean): readonly string[] {
  return rules.filter((rule) => rule.chain === chain && isAnonymous(rule) && (rule.position !== undefined) === top).map(savedForm);
}

function isAnonymous({ chain, spec }: Rule): boolean {
  return !OWN_CHAINS.has(chain) && !OWN_CHAINS.has(targetOf(spec) ?? '');
}

function recordOf(chain: string, top: boolean): string {
  return `${RECORD_PREFIX}${chain}${top ? '_TOP' : ''}`;
}

function addPlace(places: Set<number>, index: number | undefined): void {
  if (index !== undefined) places.add(index);
}
