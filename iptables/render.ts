/** Rules to the text that iptables-restore and ip6tables-restore take with --noflush: one part a table, each committed as a whole. */

import { OWN_CHAINS } from './constants.ts';
import { renderRule, TABLES, targetOf, type Rule, type Table } from './rule.ts';

/** What goes to iptables-restore on a machine that has no such rules yet; empty for no rules. */
export function renderRestore(rules: readonly Rule[]): string {
  const tables = TABLES.filter((table) => rules.some((rule) => rule.table === table));
  return tables.map((table) => renderTable(table, chainsOf(rules, table), rules.filter((rule) => rule.table === table).map(renderRule))).join('');
}

/** Both families under their headings, as `--print` shows them. */
export function renderFamilies(v4: readonly Rule[], v6: readonly Rule[] | undefined): string {
  const ipv6 = v6 === undefined ? '' : `# IPv6\n${renderRestore(v6)}`;
  return `# IPv4\n${renderRestore(v4)}${ipv6}`;
}

/** A chain's line makes it, or empties it where it is there already. */
export function renderTable(table: string, chains: readonly string[], lines: readonly string[]): string {
  return [`*${table}`, ...chains.map((chain) => `:${chain} - [0:0]`), ...lines, 'COMMIT', ''].join('\n');
}

/** Chains of our own that a table needs: those with rules in the order of their first, then those that are only jumped to. */
export function chainsOf(rules: readonly Rule[], table: Table): readonly string[] {
  const inTable = rules.filter((rule) => rule.table === table);
  const named = [...inTable.map(({ chain }) => chain), ...inTable.map(({ spec }) => targetOf(spec) ?? '')];
  return [...new Set(named.filter((name) => OWN_CHAINS.has(name)))];
}
