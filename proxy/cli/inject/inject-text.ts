/** One file of manifests to the same file with sidecars: documents that get none are not touched, not even their white space. */

import { injectResource } from '../../../config/inject/inject.ts';
import type { JsonMap } from '../../../config/inject/json.ts';
import { isMap } from '../../../config/inject/json.ts';
import type { InjectOptions } from '../../../config/inject/options.ts';
import { resourceLabel } from '../../../config/load/document.ts';
import { positionAt, type Position } from '../../../config/load/position.ts';
import { locate, readDocument } from '../../../config/load/reader.ts';
import { splitDocuments, type DocumentText } from '../../../config/load/split.ts';
import { patchYaml } from '../../../config/load/yaml-patch.ts';
import type { Finding, Path } from '../../../config/resources/finding.ts';
import { renderPath } from '../../../config/resources/finding.ts';
import type { Problem } from '../../../config/runtime/problem.ts';

export interface InjectedText {
  readonly text: string;
  readonly problems: readonly Problem[];
}

/** `file` is the name for problems. Lines of `text` end in `\n`. Pure. */
export function injectText(text: string, file: string, options: InjectOptions): InjectedText {
  const problems: Problem[] = [];
  let injected = '';
  let from = 0;
  let line = 1;
  let offset = 0;
  for (const document of splitDocuments(text)) {
    for (; line < document.line; line++) offset = text.indexOf('\n', offset) + 1;
    const result = injectDocument(document, options);
    for (const problem of result.problems) problems.push({ ...problem, file });
    injected += text.slice(from, offset) + result.text;
    from = offset + document.text.length;
  }
  return { text: injected + text.slice(from), problems };
}

interface InjectedDocument {
  readonly text: string;
  readonly problems: readonly Omit<Problem, 'file'>[];
}

function injectDocument(document: DocumentText, options: InjectOptions): InjectedDocument {
  const { text } = document;
  const read = readDocument(text);
  const at = (position: Position): Position => ({ line: document.line + position.line - 1, column: position.column });
  if ('problems' in read) {
    const problems = read.problems.map(({ offset, message }) => ({ severity: 'error' as const, ...at(positionAt(text, offset)), resource: '', path: '', message }));
    return { text, problems };
  }
  const placed = (resource: string, base: Path, finding: Finding): Omit<Problem, 'file'> => {
    const { severity, path, message } = finding;
    return { severity, ...at(positionAt(text, locate(text, [...base, ...path], false))), resource, path: renderPath(path), message };
  };
  const problems: Omit<Problem, 'file'>[] = [];
  const value = injectValue(read.value, [], options, (resource, base, finding) => problems.push(placed(resource, base, finding)));
  return { text: value === read.value ? text : render(text, value), problems };
}

type Tell = (resource: string, base: Path, finding: Finding) => void;

/** A resource or a list of them; the very value where nothing was added. */
function injectValue(value: unknown, base: Path, options: InjectOptions, tell: Tell): unknown {
  if (value === null && base.length === 0) return value;
  if (!isMap(value)) {
    tell('', base, { severity: 'error', path: [], message: 'a resource must be a map with apiVersion, kind and metadata' });
    return value;
  }
  const { kind, apiVersion, items } = value;
  if (typeof kind === 'string' && kind.endsWith('List') && Array.isArray(items)) {
    const changed = items.map((item, index) => injectValue(item, [...base, 'items', index], options, tell));
    return changed.every((item, index) => item === items[index]) ? value : { ...value, items: changed };
  }
  if (typeof kind !== 'string' || typeof apiVersion !== 'string') {
    tell('', base, { severity: 'error', path: [], message: `a resource needs ${typeof apiVersion === 'string' ? 'kind' : 'apiVersion'}, as text` });
    return value;
  }
  const { resource, findings } = injectResource(value, options);
  for (const finding of findings) tell(labelOf(kind, value), base, finding);
  return resource;
}

function labelOf(kind: string, { metadata }: JsonMap): string {
  const { name, generateName, namespace } = isMap(metadata) ? metadata : {};
  const text = typeof name === 'string' ? name : generateName;
  if (typeof text !== 'string') return kind;
  return resourceLabel(kind, { name: text, namespace: typeof namespace === 'string' && namespace !== '' ? namespace : 'default' });
}

/** JSON stays JSON, indented as it was. */
function render(text: string, value: unknown): string {
  if (!/^\s*\{/.test(text) || !isJson(text)) return patchYaml(text, value);
  const indent = /\n( +)"/.exec(text)?.[1]?.length ?? 0;
  const ending = /\s*$/.exec(text)?.[0] ?? '';
  return `${JSON.stringify(value, undefined, indent)}${ending}`;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
