/**
 * Our rules in built-in chains, found again in what iptables-save printed. Most jump to a chain of ours. The others name
 * no chain (an excluded interface, a TPROXY mark): they are known by the present options, and where those do not say so,
 * by the marks that our chains set and by where they stand. Pure.
 */

import { CHAINS, OWN_CHAINS, TPROXY_OUTBOUND_MARK } from './constants.ts';
import { targetOf, type Rule } from './rule.ts';
import { savedForm, type SavedTable } from './saved.ts';

export interface Anchor {
  readonly chain: string;
  /** Place in its chain, from 0. */
  readonly index: number;
  /** As saved. */
  readonly spec: string;
}

/** In each chain from the top down. `rules`: what the present options would make in this table. */
export function findAnchors(saved: SavedTable, rules: readonly Rule[]): readonly Anchor[] {
  const isOurMark = markForms(saved);
  const places = new Map<string, Set<number>>();
  for (const chain of saved.builtIn) {
    const specs = saved.chains.get(chain) ?? [];
    const certain = specs.flatMap((spec, index) => (OWN_CHAINS.has(targetOf(spec) ?? '') || isOurMark(spec) ? [index] : []));
    places.set(chain, new Set(certain));
  }
  const named = addExpected(saved, rules, places);
  if (!named) addRecognised(saved, places);
  return [...places].flatMap(([chain, indices]) =>
    [...indices].sort((a, b) => a - b).map((index) => ({ chain, index, spec: saved.chains.get(chain)?.[index] ?? '' })),
  );
}

type Places = ReadonlyMap<string, Set<number>>;

/**
 * The options name interfaces: as many such rules as they make are ours, the lowest of those that were appended and the
 * highest of those that were inserted. Returns whether the options name any.
 */
function addExpected(saved: SavedTable, rules: readonly Rule[], places: Places): boolean {
  const expected = rules.filter(({ chain, spec }) => !OWN_CHAINS.has(chain) && INTERFACE.test(spec));
  for (const rule of expected) {
    const found = places.get(rule.chain);
    const specs = saved.chains.get(rule.chain) ?? [];
    const form = savedForm(rule);
    const free = specs.flatMap((spec, index) => (spec === form && found?.has(index) === false ? [index] : []));
    const index = rule.position === undefined ? free.at(-1) : free[0];
    if (index !== undefined) found?.add(index);
  }
  return expected.length > 0;
}

const INTERFACE = /^-[io] (\S+) -j RETURN$/;

/**
 * The options name no interface (`--clean` alone): excluded ones were appended to PREROUTING and OUTPUT, in the same
 * order, right before the rest of ours; those of virtual machines stand right below the jumps that we inserted for them.
 */
function addRecognised(saved: SavedTable, places: Places): void {
  const [before, after] = ['PREROUTING', 'OUTPUT'].map((chain) => interfacesAbove(saved.chains.get(chain) ?? [], places.get(chain)));
  for (const [offset, name] of (before ?? []).entries()) {
    if (after?.[offset]?.name !== name.name) break;
    places.get('PREROUTING')?.add(name.index);
    places.get('OUTPUT')?.add(after[offset].index);
  }
  const prerouting = saved.chains.get('PREROUTING') ?? [];
  const found = places.get('PREROUTING');
  const rerouted = new Set(prerouting.flatMap((spec) => (targetOf(spec) === CHAINS.redirect ? (/(?:^| )-i (\S+)/.exec(spec)?.[1] ?? []) : [])));
  const last = prerouting.findLastIndex((spec) => targetOf(spec) === CHAINS.redirect);
  for (let index = last + 1; last !== -1 && index < prerouting.length; index++) {
    const name = INTERFACE.exec(prerouting[index] ?? '')?.[1] ?? '';
    if (!rerouted.delete(name)) break;
    found?.add(index);
  }
}

/** Interfaces that are let through right above the first rule of ours (else at the end of the chain), from the lowest up, each once. */
function interfacesAbove(specs: readonly string[], ours: ReadonlySet<number> | undefined): readonly { readonly name: string; readonly index: number }[] {
  const appended = [...(ours ?? [])].filter((index) => targetOf(specs[index] ?? '') !== CHAINS.redirect);
  const found: { name: string; index: number }[] = [];
  for (let index = Math.min(specs.length, ...appended) - 1; index >= 0; index--) {
    const name = INTERFACE.exec(specs[index] ?? '')?.[1];
    if (name === undefined || found.some((earlier) => earlier.name === name)) break;
    found.push({ name, index });
  }
  return found;
}

/** Rules that set or read the marks of TPROXY mode, where its chain of ours tells the mark. */
function markForms({ chains }: SavedTable): (spec: string) => boolean {
  const mark = chains.get(CHAINS.tproxy)?.map((spec) => /--tproxy-mark (0x[0-9a-f]+)/.exec(spec)?.[1]).find((found) => found !== undefined) ?? chains.get(CHAINS.inbound)?.map((spec) => /^-p tcp -m mark --mark (0x[0-9a-f]+) -j RETURN$/.exec(spec)?.[1]).find((found) => found !== undefined);
  if (mark === undefined) return () => false;
  const outbound = `0x${TPROXY_OUTBOUND_MARK.toString(16)}`;
  const forms = [
    `^-p tcp -m mark --mark ${mark} -j CONNMARK --save-mark\\b`,
    `^-o lo -p tcp -m mark --mark ${mark} -j RETURN$`,
    `^! -d \\S+ -o lo -p tcp -m owner --[ug]id-owner \\S+ -j MARK --set-x?mark ${outbound}\\b`,
    `^-p tcp -m connmark --mark ${mark} -j CONNMARK --restore-mark\\b`,
  ].map((form) => new RegExp(form));
  return (spec) => forms.some((form) => form.test(spec));
}
