/** File text to the texts of its documents and list items, so that each can be read, and remembered, on its own. */

import { stringEnd } from './json.ts';

export interface DocumentText {
  readonly text: string;
  /** Line of the text's first character in its file, 1-based. */
  readonly line: number;
  /** Column of the text's first character, 1-based; 1 unless it begins inside a line. */
  readonly column: number;
}

/**
 * The documents with content, in order. `---` and `...` in column 1 followed by white space separate documents whatever
 * stands around them: YAML forbids such lines inside every kind of scalar, block scalars included (YAML 1.2.2 §9.1.2).
 */
export function splitDocuments(text: string): readonly DocumentText[] {
  const documents: DocumentText[] = [];
  let line = 1;
  let from = 0;
  const close = (end: number): void => {
    const part = text.slice(from, end);
    if (hasContent(part)) documents.push({ text: part, line, column: 1 });
  };
  for (let at = nextMarker(text, 0); at !== -1; at = nextMarker(text, at + 3)) {
    const end = lineEnd(text, at);
    const starts = text[at] === '-';
    // Directives (%YAML 1.2) belong to the document that the marker starts.
    const directives = starts && isDirectives(text.slice(from, at));
    if (directives) continue;
    close(at);
    const bare = /^(?:---|\.\.\.)[ \t]*(?:#[^\n]*)?$/.test(text.slice(at, end));
    const next = starts && !bare ? at : Math.min(end + 1, text.length);
    line += countLines(text, from, next);
    from = next;
  }
  close(text.length);
  return documents;
}

export interface ListText {
  /** The document with its list of items left empty. */
  readonly rest: string;
  readonly items: readonly DocumentText[];
}

/**
 * Takes a `kind: List` document (what `kubectl get -o yaml` prints) apart where its layout is the usual one; lines and
 * columns of the items count from the document's start. Undefined: read the document whole.
 */
export function splitList(text: string): ListText | undefined {
  if (/^\s*\{/.test(text)) return splitJsonList(text);
  // Anchors may reach from one item into another.
  if (!/^kind: ["']?\w*List["']?[ ]*$/m.test(text) || /[ -][&*]\w/.test(text)) return undefined;
  const header = /(?:^|\n)items:[ ]*\n(?=( *)- )/.exec(text);
  if (header === null) return undefined;
  return splitBlockList(text, header.index + header[0].length, header[1]!.length);
}

function splitBlockList(text: string, begin: number, indent: number): ListText {
  const items: DocumentText[] = [];
  const margin = ' '.repeat(indent);
  let line = countLines(text, 0, begin) + 1;
  let itemStart = begin;
  let itemLine = line;
  let at = begin;
  const close = (end: number): void => {
    if (end === itemStart) return;
    // The dash gives way to a space: the item becomes a document of its own and every column stays.
    items.push({ text: `${margin} ${text.slice(itemStart + indent + 1, end)}`, line: itemLine, column: 1 });
  };
  while (at < text.length) {
    const end = lineEnd(text, at);
    if (isItemLine(text, at, indent)) {
      close(at);
      itemStart = at;
      itemLine = line;
    } else if (!belongsToItem(text, at, end, indent)) {
      break;
    }
    at = Math.min(end + 1, text.length);
    line++;
  }
  close(at);
  return { rest: `${text.slice(0, begin)}${text.slice(at)}`, items };
}

function isItemLine(text: string, at: number, indent: number): boolean {
  const dash = at + indent;
  if (text[dash] !== '-' || (text[dash + 1] !== ' ' && text[dash + 1] !== '\n')) return false;
  return indentAt(text, at) === indent;
}

function belongsToItem(text: string, at: number, end: number, indent: number): boolean {
  const own = indentAt(text, at);
  return own > indent || at + own === end || text[at + own] === '#';
}

function indentAt(text: string, at: number): number {
  let end = at;
  while (text.charCodeAt(end) === 0x20) end++;
  return end - at;
}

/** Lenient: each item's text is parsed, and judged, on its own. */
function splitJsonList(text: string): ListText | undefined {
  const header = /^\s*\{(?:\s*"(?:apiVersion|kind)"\s*:\s*"[\w/.]*"\s*,)*\s*"items"\s*:\s*\[/.exec(text);
  if (header === null) return undefined;
  const items: DocumentText[] = [];
  const begin = header[0].length;
  let line = 1;
  let lineStart = 0;
  // Kept from item to item: in a list on one line, looking for each item's line anew would be quadratic.
  let newline = text.indexOf('\n');
  let last = begin;
  let at = begin;
  for (;;) {
    at += /^\s*/.exec(text.slice(at, at + 1000))![0].length;
    if (text[at] !== '{') break;
    const end = jsonObjectEnd(text, at);
    if (end === -1) return undefined;
    for (; newline !== -1 && newline < at; newline = text.indexOf('\n', lineStart)) {
      line++;
      lineStart = newline + 1;
    }
    last = at;
    items.push({ text: text.slice(at, end), line, column: at - lineStart + 1 });
    at = end + /^\s*,?/.exec(text.slice(end, end + 1000))![0].length;
  }
  if (items.length === 0 || text[at] !== ']' || /,\s*$/.test(text.slice(last, at))) return undefined;
  return { rest: text.slice(0, begin) + text.slice(at), items };
}

/** Offset after the brace that closes the one here, or -1. */
function jsonObjectEnd(text: string, open: number): number {
  const mark = /["{}]/g;
  mark.lastIndex = open;
  let depth = 0;
  for (let found = mark.exec(text); found !== null; found = mark.exec(text)) {
    if (found[0] === '"') {
      const end = stringEnd(text, found.index);
      if (end === -1) return -1;
      mark.lastIndex = end;
      continue;
    }
    depth += found[0] === '{' ? 1 : -1;
    if (depth === 0) return found.index + 1;
  }
  return -1;
}

/** Offset of the next line that begins with a document marker, or -1. */
function nextMarker(text: string, from: number): number {
  if (from === 0 && isMarker(text, 0)) return 0;
  for (let newline = text.indexOf('\n', from); newline !== -1; newline = text.indexOf('\n', newline + 1)) {
    if (isMarker(text, newline + 1)) return newline + 1;
  }
  return -1;
}

function isMarker(text: string, at: number): boolean {
  if (!text.startsWith('---', at) && !text.startsWith('...', at)) return false;
  const after = text[at + 3];
  return after === undefined || after === '\n' || after === ' ' || after === '\t';
}

function lineEnd(text: string, at: number): number {
  const newline = text.indexOf('\n', at);
  return newline === -1 ? text.length : newline;
}

function countLines(text: string, from: number, to: number): number {
  let lines = 0;
  for (let at = text.indexOf('\n', from); at !== -1 && at < to; at = text.indexOf('\n', at + 1)) lines++;
  return lines;
}

/** Anything but blank lines and comments. */
function hasContent(part: string): boolean {
  return /^[ \t]*[^ \t\n#]/m.test(part);
}

/** Directives, blank lines and comments only, and at least one directive. */
function isDirectives(part: string): boolean {
  return /^%/m.test(part) && !/^[ \t]*[^ \t\n#%]/m.test(part);
}
