/** Compares what was observed with what a row expects; each difference is a sentence. */

import type { Expected, ExpectedAnswer, ExpectedUpstream } from '../case.ts';
import type { Answer } from './answers.ts';
import type { Observed } from './play.ts';
import type { Recorded } from './upstream.ts';

/** One sentence per difference; none when the row is met. */
export function differences(observed: Observed, expected: Expected): string[] {
  const found: string[] = [];
  const say = (condition: boolean, text: string): void => {
    if (condition) found.push(text);
  };
  const got = observed.answers.map((answer) => answer.status).join(' ') || 'none';
  const wanted = expected.answers.map((answer) => answer.status).join(' ') || 'none';
  say(got !== wanted, `answers: ${got}, expected ${wanted}`);
  expected.answers.forEach((answer, index) => found.push(...compareAnswer(observed.answers[index], answer)));
  say(expected.closes === true && !observed.closed, 'the connection stays open');
  say(expected.closes !== false && observed.goesOn, 'a further request on the connection was served');
  say(expected.closes === false && !observed.goesOn, 'a further request on the connection was not served');
  say(expected.closes === 'waits' && observed.closed, 'the connection was closed');
  say(!observed.sentinel, 'a later request on another connection did not get its own answer');
  return [...found, ...compareUpstream(observed.upstream, expected.upstream)];
}

function compareAnswer(answer: Answer | undefined, expected: ExpectedAnswer): string[] {
  if (answer === undefined) return [];
  const found: string[] = [];
  for (const [name, value] of Object.entries(expected.headers ?? {})) {
    const got = answer.headers[name];
    const fits = value === null ? got === undefined : got !== undefined && matches(got, value);
    if (!fits) found.push(`${answer.status} ${name}: ${got ?? 'absent'}, expected ${value ?? 'absent'}`);
  }
  if (expected.head !== undefined) {
    const got = answer.lines.map((line) => line.replace(/^(date|server): .*$/i, '$1')).toSorted().join(' ⏎ ');
    const wanted = expected.head.toSorted().join(' ⏎ ');
    if (got !== wanted) found.push(`${answer.status} head: ${got}, expected ${wanted}`);
  }
  if (expected.body !== undefined && !matches(answer.body, expected.body)) {
    found.push(`${answer.status} body: ${JSON.stringify(answer.body.slice(0, 200))}, expected ${String(expected.body)}`);
  }
  if (answer.cut !== (expected.cut ?? false)) found.push(`${answer.status} is ${answer.cut ? '' : 'not '}cut short`);
  return found;
}

function compareUpstream(recorded: readonly Recorded[], expected: ExpectedUpstream | undefined): string[] {
  const all = recorded.map((connection) => connection.bytes).join('\n');
  const requests = recorded.flatMap((connection) => connection.heads).toSorted((a, b) => a.turn - b.turn);
  if (expected === undefined) return all === '' ? [] : [`the upstream saw ${JSON.stringify(all.slice(0, 300))}, expected nothing`];
  const found: string[] = [];
  if (expected.requests !== undefined && requests.length !== expected.requests) found.push(`the upstream saw ${requests.length} requests, expected ${expected.requests}`);
  const carriers = recorded.filter((connection) => connection.heads.length > 0);
  if (expected.connections !== undefined && carriers.length !== expected.connections) found.push(`on ${carriers.length} connections, expected ${expected.connections}`);
  const hosts = letters(requests.map(({ endpoint }) => endpoint));
  if (expected.hosts !== undefined && hosts !== expected.hosts) found.push(`requests went to ${hosts}, expected ${expected.hosts}`);
  (expected.each ?? []).forEach((pattern, index) => {
    const bytes = requests[index]?.bytes;
    if (bytes === undefined || !pattern.test(bytes)) found.push(`request ${index + 1} at the upstream is not ${pattern}: ${JSON.stringify(bytes?.slice(0, 600))}`);
  });
  for (const pattern of expected.has ?? []) if (!pattern.test(all)) found.push(`the upstream did not see ${pattern}: ${JSON.stringify(all.slice(0, 400))}`);
  for (const pattern of expected.lacks ?? []) if (pattern.test(all)) found.push(`the upstream saw ${pattern}: ${JSON.stringify(all.slice(0, 400))}`);
  const last = carriers.at(-1);
  if (expected.cut === true && (last === undefined || last.complete || !last.ended)) found.push('the upstream request was not cut short');
  if (expected.dropped === true && recorded[0]?.ended !== true) found.push('the upstream connection was kept');
  return found;
}

function matches(text: string, expected: string | RegExp): boolean {
  return typeof expected === 'string' ? text === expected : expected.test(text);
}

/** Names in the order of their first appearance become A, B … */
function letters(names: readonly string[]): string {
  const seen = [...new Set(names)];
  return names.map((name) => String.fromCodePoint(65 + seen.indexOf(name))).join('');
}
