/**
 * One document's text to a value, and paths to positions in it.
 *
 * Three readers, quickest first: JSON (ours: duplicate keys must be found), plain manifest YAML (ours, see
 * plain-yaml.ts), and the library for everything else, 0.25 ms a document.
 */

import type { Path } from '../resources/finding.ts';
import { parseJson } from './json.ts';
import { parsePlainYaml } from './plain-yaml.ts';
import type { Places } from './position.ts';
import { offsetOf } from './position.ts';
import type { DocumentResult, TextProblem } from './yaml.ts';
import { createLocator, parseYaml } from './yaml.ts';

/** The library needs about 4 s and 100 times the memory for this much; manifests this large are plain YAML or lists of small documents. */
const libraryLimit = 4 * 1024 * 1024;

/** Reads one document; never throws. The value is null for an empty document. Maps may lack a prototype. */
export function readDocument(text: string): DocumentResult {
  const json = looksLikeJson(text) ? parseJson(text) : undefined;
  if (json !== undefined && 'value' in json) return json;
  const plain = json === undefined ? parsePlainYaml(text) : undefined;
  if (plain !== undefined) return plain;
  if (text.length > libraryLimit) return { problems: [json ?? tooLarge(text)] };
  const result = parseYaml(text);
  return 'problems' in result && json !== undefined && !isYamlFlow(text) ? { problems: [json] } : result;
}

/**
 * Offset that stands for a path in the document (see `offsetOf`). Parses again, so that loading need not remember
 * positions; 0 when the text does not parse.
 */
export function locate(text: string, path: Path, atKey: boolean): number {
  if (last?.text !== text) last = { text, locator: locatorOf(text) };
  return last.locator(path, atKey);
}

type Locator = (path: Path, atKey: boolean) => number;

/** Callers ask for many paths of one document in a row: one is enough. */
let last: { readonly text: string; readonly locator: Locator } | undefined;

function locatorOf(text: string): Locator {
  const places: Places = new Map();
  const tree = looksLikeJson(text) ? placeJson(text, places) : parsePlainYaml(text, places);
  if (tree !== undefined) return (path, atKey) => offsetOf(tree.value, tree.offset, places, path, atKey);
  return text.length > libraryLimit ? () => 0 : createLocator(text);
}

function placeJson(text: string, places: Places): { readonly value: unknown; readonly offset: number } | undefined {
  const result = parseJson(text, places);
  return 'value' in result ? { value: result.value, offset: text.search(/\S/) } : undefined;
}

function looksLikeJson(text: string): boolean {
  return /^\s*[{[]/.test(text);
}

/** A broken text in brackets is JSON unless its first key has no quotes. */
function isYamlFlow(text: string): boolean {
  return !/^\s*(?:\[\s*)*\{\s*(?:"|\})/.test(text);
}

function tooLarge(text: string): TextProblem {
  const megabytes = (text.length / 1024 / 1024).toFixed(1);
  const message = `this document has ${megabytes} MB and is not plain block YAML; split it, or write it as JSON (limit for YAML with anchors, tags, multi-line scalars or mistakes: 4 MB a document)`;
  return { offset: 0, message };
}
