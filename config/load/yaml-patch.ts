/** Changes values inside the text of one YAML document; what did not change keeps its comments, its order and its style. */

import { library, type YamlNode } from './yaml.ts';

/**
 * The text with the document's value made `after`. Where the document shares nodes by anchors it is written anew, without its comments. The text must parse.
 */
export function patchYaml(text: string, after: unknown): string {
  const yaml = library();
  const document = yaml.parseDocument(text, { version: '1.2', merge: true, keepSourceTokens: false });
  const shared = hasAnchors(document.contents);
  const patched = shared || document.contents === null ? created(after) : patch(document.contents, after);
  document.contents = patched as typeof document.contents;
  return document.toString({ lineWidth: 0, indent: indentation(text), indentSeq: indentsLists(text), flowCollectionPadding: padsFlow(text) });
}

function hasAnchors(root: YamlNode | null): boolean {
  const yaml = library();
  let found = false;
  yaml.visit(root, {
    Node(_, node) {
      if (!yaml.isAlias(node) && node.anchor === undefined) return undefined;
      found = true;
      return yaml.visit.BREAK;
    },
  });
  return found;
}

/** Whether the first collection in brackets has spaces inside them. */
function padsFlow(text: string): boolean {
  return /(?:^|[:,-] +)[{[]( ?)[^\s}\]]/m.exec(text)?.[1] === ' ';
}

/** As the first map in a map is written. */
function indentation(text: string): number {
  const first = /^[^\s#-][^\n]*:[ ]*(?:#[^\n]*)?\n( +)[^\s#-]/m.exec(text);
  return first === null ? 2 : first[1]!.length;
}

/** As the first list in a map is written. */
function indentsLists(text: string): boolean {
  const first = /^( *)(?:- +)*[^\s#:-][^\n:]*:[ ]*(?:#[^\n]*)?\n( *)- /m.exec(text);
  return first !== null && first[2]!.length > first[1]!.length;
}

function patch(node: YamlNode, after: unknown): YamlNode {
  const yaml = library();
  if (same(node.toJSON(), after)) return node;
  if (yaml.isMap(node) && isRecord(after)) {
    for (const key of Object.keys(node.toJSON() as object)) if (after[key] === undefined) node.delete(key);
    for (const [key, value] of Object.entries(after)) {
      const current = node.get(key, true) as YamlNode | undefined;
      node.set(key, current === undefined ? created(value) : patch(current, value));
    }
    return node;
  }
  if (yaml.isSeq(node) && Array.isArray(after)) {
    node.items = patchItems(node.items as YamlNode[], after);
    return node;
  }
  return inPlaceOf(node, created(after));
}

/** A value that is replaced leaves its comment to the next. */
function inPlaceOf(node: YamlNode, next: YamlNode): YamlNode {
  if (!library().isScalar(node) || !library().isScalar(next)) return next;
  const { comment, commentBefore, spaceBefore } = node;
  return Object.assign(next, { comment, commentBefore, spaceBefore });
}

/** Of the same length: one by one. Else by what they are, or are called. */
function patchItems(items: readonly YamlNode[], after: readonly unknown[]): YamlNode[] {
  if (items.length === after.length) return items.map((item, index) => patch(item, after[index]));
  const left = new Set(items);
  const take = (wanted: (value: unknown) => boolean): YamlNode | undefined => {
    for (const item of left) {
      if (!wanted(item.toJSON())) continue;
      left.delete(item);
      return item;
    }
    return undefined;
  };
  return after.map((value) => {
    const equal = take((candidate) => same(candidate, value));
    if (equal !== undefined) return equal;
    const name = isRecord(value) ? value['name'] : undefined;
    const namesake = name === undefined ? undefined : take((candidate) => isRecord(candidate) && candidate['name'] === name);
    return namesake === undefined ? created(value) : patch(namesake, value);
  });
}

/** Words and numbers that readers of YAML 1.1, kubectl among them, would not take for text. */
const MISREAD = /^(?:y|n|yes|no|on|off|true|false|null|~|[-+]?[\d._]+(?::[\d._]+)*|0[xob][\da-f_]+|[-+]?\.(?:inf|nan))$/i;

function created(value: unknown): YamlNode {
  const yaml = library();
  const node = new yaml.Document(value, { aliasDuplicateObjects: false }).contents as YamlNode;
  yaml.visit(node, {
    Scalar(key, scalar) {
      if (key !== 'key' && typeof scalar.value === 'string' && MISREAD.test(scalar.value)) scalar.type = 'QUOTE_DOUBLE';
    },
  });
  return node;
}

function same(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, index) => same(item, b[index]));
  if (!isRecord(a) || !isRecord(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && same(a[key], b[key]));
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
