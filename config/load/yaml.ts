/**
 * One document's text to a value, and paths to positions in it: the only import of the YAML library.
 *
 * Three readers, quickest first: JSON (ours: the library is slow on it and duplicate keys must be found), plain
 * manifest YAML (ours, see plain-yaml.ts), and everything else (the library, 0.25 ms a document). YAML is 1.2 core:
 * `yes`, `on` and `010` mean what they look like; merge keys, a habit of 1.1, are understood as kubectl does.
 */

import * as yaml from 'yaml';
import type { Path } from '../resources/finding.ts';
import { maxDepth, parseJson } from './json.ts';
import { parsePlainYaml } from './plain-yaml.ts';
import type { Places } from './position.ts';
import { offsetOf, snakeCase } from './position.ts';

/** A mistake in the text itself. */
export interface TextProblem {
  readonly offset: number;
  readonly message: string;
}

export type DocumentResult = { readonly value: unknown } | { readonly problems: readonly TextProblem[] };

/** The library needs about 4 s and 100 times the memory for this much; manifests this large are plain YAML or lists of small documents. */
const libraryLimit = 4 * 1024 * 1024;
const maxAliasCount = 100;
const maxProblems = 10;

/** Reads one document; never throws. The value is null for an empty document. Maps may lack a prototype. */
export function readDocument(text: string): DocumentResult {
  const json = looksLikeJson(text) ? parseJson(text) : undefined;
  if (json !== undefined && 'value' in json) return json;
  const plain = json === undefined ? parsePlainYaml(text) : undefined;
  if (plain !== undefined) return plain;
  if (text.length <= libraryLimit) return readByLibrary(text, json);
  return { problems: [json ?? tooLarge(text)] };
}

/**
 * Offset that stands for a path in the document (see `offsetOf`). Parses again, so that loading need not remember
 * positions; 0 when the text does not parse.
 */
export function locate(text: string, path: Path, atKey: boolean): number {
  const tree = placesOf(text);
  return tree === undefined ? locateByLibrary(text, path, atKey) : offsetOf(tree.value, tree.offset, tree.places, path, atKey);
}

interface PlacedTree {
  readonly text: string;
  readonly value: unknown;
  readonly offset: number;
  readonly places: Places;
}

/** Callers ask for many paths of one document in a row; one tree is enough and costs no memory to speak of. */
let lastTree: PlacedTree | undefined;

function placesOf(text: string): PlacedTree | undefined {
  if (lastTree?.text === text) return lastTree;
  const places: Places = new Map();
  const found = looksLikeJson(text) ? placeJson(text, places) : parsePlainYaml(text, places);
  lastTree = found === undefined ? undefined : { text, places, ...found };
  return lastTree;
}

function placeJson(text: string, places: Places): { readonly value: unknown; readonly offset: number } | undefined {
  const result = parseJson(text, places);
  return 'value' in result ? { value: result.value, offset: text.search(/\S/) } : undefined;
}

function looksLikeJson(text: string): boolean {
  return /^\s*[{[]/.test(text);
}

function tooLarge(text: string): TextProblem {
  const megabytes = (text.length / 1024 / 1024).toFixed(1);
  const message = `this document has ${megabytes} MB and is not plain block YAML; split it, or write it as JSON (limit for YAML with anchors, tags, multi-line scalars or mistakes: 4 MB a document)`;
  return { offset: 0, message };
}

/** `json`: why the JSON reader refused a text that looks like JSON. */
function readByLibrary(text: string, json: TextProblem | undefined): DocumentResult {
  const composed = compose(text);
  if ('problems' in composed) return composed;
  const errors = relevant([...composed.errors, ...composed.warnings]);
  const problems = errors.length > 0 ? errors.map((error) => textProblem(error, text)) : keyProblems(composed);
  if (problems.length > 0) return { problems: (json === undefined || isYamlFlow(text) ? problems : [json]).slice(0, maxProblems) };
  try {
    return { value: composed.toJS({ maxAliasCount }) as unknown };
  } catch (error) {
    return { problems: [{ offset: firstAlias(composed), message: aliasProblem(error) }] };
  }
}

/** After a syntax error the library loses its way: only the first one says anything. Duplicate keys and tags stand for themselves. */
function relevant(errors: readonly yaml.YAMLError[]): readonly yaml.YAMLError[] {
  const syntax = errors.filter(({ code }) => code !== 'DUPLICATE_KEY' && code !== 'TAG_RESOLVE_FAILED');
  return syntax.length > 0 ? syntax.toSorted((a, b) => a.pos[0] - b.pos[0]).slice(0, 1) : errors;
}

/** A broken text in brackets is JSON unless its first key has no quotes. */
function isYamlFlow(text: string): boolean {
  return !/^\s*(?:\[\s*)*\{\s*(?:"|\})/.test(text);
}

type Composed = yaml.Document.Parsed | { readonly problems: readonly TextProblem[] };

/** The composer is recursive; the tokens it works on are not, so depth is measured there. */
function compose(text: string): Composed {
  const tokens: yaml.CST.Token[] = [];
  for (const token of new yaml.Parser().parse(text)) {
    const deep = tooDeepAt(token);
    if (deep !== undefined) return { problems: [{ offset: deep, message: `is nested deeper than ${maxDepth} levels` }] };
    tokens.push(token);
  }
  const composer = new yaml.Composer({ version: '1.2', merge: true, uniqueKeys: true, strict: true, stringKeys: false, prettyErrors: false, logLevel: 'silent' });
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
  yaml.visit(document, {
    Pair(_, pair) {
      const key = pair.key as yaml.Node | null;
      const offset = key?.range?.[0] ?? 0;
      if (yaml.isCollection(key) || yaml.isAlias(key)) problems.push({ offset, message: 'a key must be text' });
      else if (yaml.isScalar(key) && key.value === '__proto__') problems.push({ offset, message: 'the key "__proto__" is refused' });
      else if (yaml.isScalar(key) && key.value === null) problems.push({ offset, message: 'a key must be text, got nothing (null)' });
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
    return `aliases multiply this document more than ${maxAliasCount} times; write the values out`;
  }
  return lowerFirst(error instanceof Error ? error.message : String(error));
}

function firstAlias(document: yaml.Document.Parsed): number {
  let offset = 0;
  yaml.visit(document, {
    Alias(_, alias) {
      offset = alias.range?.[0] ?? 0;
      return yaml.visit.BREAK;
    },
  });
  return offset;
}

function locateByLibrary(text: string, path: Path, atKey: boolean): number {
  if (text.length > libraryLimit) return 0;
  const composed = compose(text);
  if ('problems' in composed || composed.contents === null) return 0;
  return offsetInNodes(composed.contents, path, atKey);
}

/** The same rule as `offsetOf`, on the library's nodes. */
function offsetInNodes(root: yaml.ParsedNode, path: Path, atKey: boolean): number {
  let node: yaml.ParsedNode | null = root;
  let offset = root.range[0];
  for (const [index, step] of path.entries()) {
    const entry = entryOf(node, step);
    if (entry === undefined) return offset;
    node = entry.value;
    const scalarAt = node !== null && yaml.isScalar(node) && node.range[0] < node.range[1] ? node.range[0] : undefined;
    offset = scalarAt === undefined || (atKey && index === path.length - 1) ? entry.key : scalarAt;
  }
  return offset;
}

function entryOf(node: yaml.ParsedNode | null, step: string | number): { readonly key: number; readonly value: yaml.ParsedNode | null } | undefined {
  if (yaml.isSeq(node)) {
    const item = node.items[step as number];
    return item === undefined ? undefined : { key: item.range[0], value: item };
  }
  if (!yaml.isMap(node)) return undefined;
  const keyIs = (name: string | number) => (pair: yaml.Pair) => yaml.isScalar(pair.key) && String(pair.key.value) === name;
  const pair = node.items.find(keyIs(step)) ?? node.items.find(keyIs(snakeCase(step)));
  return pair === undefined ? undefined : { key: pair.key.range[0], value: pair.value };
}
