/**
 * All of YAML, through the library: the only import of it, and a lazy one, since most manifests are plain (reader.ts)
 * and its seventy files cost 30 ms of start-up.
 *
 * YAML is 1.2 core: `yes`, `on` and `010` mean what they look like; merge keys, a habit of 1.1, are understood as
 * kubectl does.
 */

import { createRequire } from 'node:module';
import type * as yaml from 'yaml';
import type { Path } from '../resources/finding.ts';
import { maxDepth } from './json.ts';
import { snakeCase } from './position.ts';

/** A mistake in the text itself. */
export interface TextProblem {
  readonly offset: number;
  readonly message: string;
}

export type DocumentResult = { readonly value: unknown } | { readonly problems: readonly TextProblem[] };

const maxAliasCount = 100;
const maxProblems = 10;

let loaded: typeof yaml | undefined;

export type YamlNode = yaml.Node;

/** The library, for this folder only. */
export function library(): typeof yaml {
  return (loaded ??= createRequire(import.meta.url)('yaml') as typeof yaml);
}

/** Reads one document with all of YAML; never throws. */
export function parseYaml(text: string): DocumentResult {
  const composed = compose(text);
  if ('problems' in composed) return composed;
  const errors = relevant([...composed.errors, ...composed.warnings]);
  const problems = errors.length > 0 ? errors.map((error) => textProblem(error, text)) : keyProblems(composed);
  if (problems.length > 0) return { problems: problems.slice(0, maxProblems) };
  return toValue(composed);
}

/** The library counts nested aliases too, so a bomb ends here in either shape, wide or deep. */
function toValue(document: yaml.Document.Parsed): DocumentResult {
  try {
    return { value: document.toJS({ maxAliasCount }) as unknown };
  } catch (error) {
    return { problems: [{ offset: firstAlias(document), message: aliasProblem(error) }] };
  }
}

/** Path → offset (see `offsetOf` in position.ts); 0 for every path of a text that does not parse. */
export function createLocator(text: string): (path: Path, atKey: boolean) => number {
  const composed = compose(text);
  const root = 'problems' in composed ? null : composed.contents;
  return (path, atKey) => (root === null ? 0 : offsetInNodes(root, path, atKey));
}

/** After a syntax error the library loses its way: only the first one says anything. Duplicate keys and tags stand for themselves. */
function relevant(errors: readonly yaml.YAMLError[]): readonly yaml.YAMLError[] {
  const syntax = errors.filter(({ code }) => code !== 'DUPLICATE_KEY' && code !== 'TAG_RESOLVE_FAILED');
  return syntax.length > 0 ? syntax.toSorted((a, b) => a.pos[0] - b.pos[0]).slice(0, 1) : errors;
}

type Composed = yaml.Document.Parsed | { readonly problems: readonly TextProblem[] };

/** The composer is recursive; the tokens it works on are not, so depth is measured there. */
function compose(text: string): Composed {
  const tokens: yaml.CST.Token[] = [];
  for (const token of new (library().Parser)().parse(text)) {
    const deep = tooDeepAt(token);
    if (deep !== undefined) return { problems: [{ offset: deep, message: `is nested deeper than ${maxDepth} levels` }] };
    tokens.push(token);
  }
  const composer = new (library().Composer)({ version: '1.2', merge: true, uniqueKeys: true, strict: true, stringKeys: false, prettyErrors: false, logLevel: 'silent' });
  const documents = [...composer.compose(tokens, true, text.length)] as yaml.Document.Parsed[];
  const second = documents[1];
  if (second !== undefined) return { problems: [{ offset: second.range[0], message: 'content after the end of the document; put "---" before it' }] };
  return documents[0]!;
}

function tooDeepAt(token: yaml.CST.Token): number | undefined {
  const open: { token: yaml.CST.Token; depth: number }[] = [{ token, depth: 0 }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const depth = next.depth;
    if (depth > maxDepth) return next.token.offset;
    for (const child of childrenOf(next.token)) open.push({ token: child, depth: depth + 1 });
  }
  return undefined;
}

function childrenOf(token: yaml.CST.Token): readonly yaml.CST.Token[] {
  if (token.type === 'document') return token.value === undefined ? [] : [token.value];
  if (!('items' in token)) return [];
  const children: yaml.CST.Token[] = [];
  for (const item of token.items) {
    if (item.key !== undefined && item.key !== null) children.push(item.key);
    if (item.value !== undefined) children.push(item.value);
  }
  return children;
}

/** Keys no resource has: maps, lists and null as keys, and `__proto__`. */
function keyProblems(document: yaml.Document.Parsed): readonly TextProblem[] {
  const problems: TextProblem[] = [];
  library().visit(document, {
    Pair(_, pair) {
      const key = pair.key as yaml.Node | null;
      const offset = key?.range?.[0] ?? 0;
      if (library().isCollection(key) || library().isAlias(key)) problems.push({ offset, message: 'a key must be text' });
      else if (library().isScalar(key) && key.value === '__proto__') problems.push({ offset, message: 'the key "__proto__" is refused' });
      else if (library().isScalar(key) && key.value === null) problems.push({ offset, message: 'a key must be text, got nothing (null)' });
    },
  });
  return problems;
}

function textProblem(error: yaml.YAMLError, text: string): TextProblem {
  const offset = Math.min(error.pos[0], text.length);
  return { offset, message: messageOf(error, text.slice(offset, offset + 100)) };
}

/** The library's words where they help. */
function messageOf(error: yaml.YAMLError, source: string): string {
  switch (error.code) {
    case 'TAB_AS_INDENT':
      return 'a tab is used for indentation; YAML allows only spaces there';
    case 'DUPLICATE_KEY':
      return `the key ${keyName(source)} is written twice in one map`;
    case 'TAG_RESOLVE_FAILED':
      return `${error.message.replace(/^Unresolved tag: /, 'the tag is not supported: ')}; write a plain value`;
    case 'MULTILINE_IMPLICIT_KEY':
      return 'a key and its ":" must stand on one line; is a ":" missing here?';
    case 'BLOCK_AS_IMPLICIT_KEY':
      return 'a second ": " on one line; put text that holds ": " in quotes';
    default:
      if (error.message.startsWith('All ')) return 'wrong indentation: the entries of a map or list must start in the same column';
      return lowerFirst(error.message.split('\n')[0]!);
  }
}

function keyName(source: string): string {
  const name = /^(?:"[^"\n]*"|'[^'\n]*'|[^:\s]+)/.exec(source)?.[0] ?? '';
  return JSON.stringify(name.replaceAll(/^["']|["']$/g, ''));
}

function lowerFirst(message: string): string {
  return message.slice(0, 1).toLowerCase() + message.slice(1);
}

function aliasProblem(error: unknown): string {
  if (error instanceof ReferenceError && error.message.includes('alias count')) {
    return `aliases expand too far (limit ${maxAliasCount}); write the values out`;
  }
  return lowerFirst(error instanceof Error ? error.message : String(error));
}

function firstAlias(document: yaml.Document.Parsed): number {
  let offset = 0;
  library().visit(document, {
    Alias(_, alias) {
      offset = alias.range?.[0] ?? 0;
      return library().visit.BREAK;
    },
  });
  return offset;
}

/** The same rule as `offsetOf`, on the library's nodes. */
function offsetInNodes(root: yaml.ParsedNode, path: Path, atKey: boolean): number {
  let node: yaml.ParsedNode | null = root;
  let offset = root.range[0];
  for (const [index, step] of path.entries()) {
    const entry = entryOf(node, step);
    if (entry === undefined) return offset;
    node = entry.value;
    const scalarAt = node !== null && library().isScalar(node) && node.range[0] < node.range[1] ? node.range[0] : undefined;
    offset = scalarAt === undefined || (atKey && index === path.length - 1) ? entry.key : scalarAt;
  }
  return offset;
}

function entryOf(node: yaml.ParsedNode | null, step: string | number): { readonly key: number; readonly value: yaml.ParsedNode | null } | undefined {
  if (library().isSeq(node)) {
    const item = node.items[step as number];
    return item === undefined ? undefined : { key: item.range[0], value: item };
  }
  if (!library().isMap(node)) return undefined;
  const keyIs = (name: string | number) => (pair: yaml.Pair) => library().isScalar(pair.key) && String(pair.key.value) === name;
  const pair = node.items.find(keyIs(step)) ?? node.items.find(keyIs(snakeCase(step)));
  return pair === undefined ? undefined : { key: pair.key.range[0], value: pair.value };
}
