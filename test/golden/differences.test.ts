/** docs/differences.md says of each row where we are stricter than Envoy what the conformance table says. */

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { Case, Expected } from '../conformance/case.ts';
import { cases } from '../conformance/cases/index.ts';
import { cases as resilienceCases } from '../conformance/resilience/index.ts';

const BEGIN = '<!-- table: begin -->\n';
const END = '<!-- table: end -->';
const beside = fileURLToPath(new URL('../../../docs/differences.md', import.meta.url));
const file = existsSync(beside) ? beside : 'docs/differences.md';

t.test('the page lists every difference', async (t) => {
  const text = readFileSync(file, 'utf8');
  const begin = text.indexOf(BEGIN) + BEGIN.length;
  const end = text.indexOf(END);
  t.ok(begin >= BEGIN.length && end >= begin, 'the page has a place for the table');
  const table = renderTable([...cases, ...resilienceCases].filter(({ envoy }) => envoy !== undefined));
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, text.slice(0, begin) + table + text.slice(end));
  else t.equal(text.slice(begin, end), table, 'docs/differences.md is current (npm run golden:update)');
});

function renderTable(different: readonly Case[]): string {
  const rows = different.map(({ row, name, expect, envoy }) => `| ${row} | ${cell(name)} | ${outcome(expect)} | ${envoy === undefined ? '' : `${outcome(envoy.expect)}: ${cell(envoy.reason)}`} |\n`);
  return `| Row | Sent | Outrider | Envoy 1.40 |\n|---|---|---|---|\n${rows.join('')}`;
}

/** `400, closes`, `200`, `no answer, closes`. */
function outcome({ answers, closes, upstream }: Expected): string {
  const statuses = answers.map(({ status, cut }) => (cut === true ? `${status}, cut short` : String(status)));
  const several = statuses.length > 3 ? `${statuses[0]} … ${statuses.at(-1)} (${statuses.length} answers)` : statuses.join(', ');
  const parts = [statuses.length === 0 ? 'no answer' : several];
  if (closes === true) parts.push('closes');
  if (closes === 'waits') parts.push('waits for more');
  if (upstream?.dropped === true) parts.push('upstream connection dropped');
  return parts.join(', ');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}
