/** TypeScript source files as the architecture test reads them: imports, and code without comments and strings. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative, sep } from 'node:path';

export interface SourceFile {
  /** From the checkout's root, `/` between folders. */
  readonly path: string;
  readonly lines: number;
  /** Comments and the contents of strings, templates and regular expressions are blanks; positions are kept. */
  readonly code: string;
  /** Imported modules, `import type` and `export … from` included: a path from the root for our own, else the specifier. */
  readonly imports: readonly string[];
}

/** Every `.ts` file below the given folders of `root`. */
export function readSources(root: string, folders: readonly string[]): SourceFile[] {
  return folders.flatMap((folder) => filesBelow(join(root, folder), '.ts')).map((file) => parse(root, file));
}

/** Sorted paths; none where there is no such folder. */
export function filesBelow(folder: string, ending: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .map((name) => join(folder, name))
    .sort();
}

function parse(root: string, file: string): SourceFile {
  const text = readFileSync(file, 'utf8');
  const path = relative(root, file).split(sep).join('/');
  const code = blank(text);
  const imports = specifiers(text, code).map((specifier) => (specifier.startsWith('.') ? normalize(join(dirname(path), specifier)).split(sep).join('/') : specifier));
  return { path, lines: text.split('\n').length - 1, code, imports };
}

/** Import words are found in the code, their module names then read from the text at the same position. */
function specifiers(text: string, code: string): string[] {
  const found: string[] = [];
  for (const match of code.matchAll(/(?:\bfrom\s*|\bimport\s*\(?\s*)(['"])/g)) {
    const start = match.index + match[0].length;
    found.push(text.slice(start, text.indexOf(match[1] as string, start)));
  }
  return found;
}

/** Stretches that are not code, each matched at the position where the code before it ended. */
const OPAQUE = {
  comment: /\/\/[^\n]*|\/\*[^]*?\*\//y,
  string: /'(?:[^'\\\n]|\\[^])*'|"(?:[^"\\\n]|\\[^])*"/y,
  regex: /\/(?![*/])(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y,
};

function blank(text: string): string {
  let code = '';
  /** Depth of braces inside each open template substitution. */
  const substitutions: number[] = [];
  for (let at = 0; at < text.length; ) {
    const here = text[at] as string;
    const opaque = opaqueAt(text, at, code);
    if (opaque !== undefined) {
      code += keepEnds(opaque);
      at += opaque.length;
    } else if (here === '`' || (here === '}' && substitutions.at(-1) === 0)) {
      if (here === '}') substitutions.pop();
      const template = /[^`\\$]*(?:(?:\\[^]|\$(?!\{))[^`\\$]*)*(?:`|\$\{)/y;
      template.lastIndex = at + 1;
      const part = template.exec(text)?.[0] ?? text.slice(at + 1);
      if (part.endsWith('${')) substitutions.push(0);
      code += here + part.replace(/[^\n]/g, ' ');
      at += 1 + part.length;
    } else {
      if (here === '{' && substitutions.length > 0) substitutions[substitutions.length - 1] = (substitutions.at(-1) ?? 0) + 1;
      if (here === '}' && substitutions.length > 0) substitutions[substitutions.length - 1] = (substitutions.at(-1) ?? 0) - 1;
      code += here;
      at += 1;
    }
  }
  return code;
}

function opaqueAt(text: string, at: number, before: string): string | undefined {
  const kinds = regexMayBegin(before) ? [OPAQUE.comment, OPAQUE.string, OPAQUE.regex] : [OPAQUE.comment, OPAQUE.string];
  for (const kind of kinds) {
    kind.lastIndex = at;
    const found = kind.exec(text)?.[0];
    if (found !== undefined) return found;
  }
  return undefined;
}

/** A slash is a division after a value, a regular expression elsewhere. */
function regexMayBegin(before: string): boolean {
  return /(?:^|[([{},;:=!&|?+*%<>~^-]|\breturn|\bcase|\btypeof)\s*$/.test(before.slice(-40));
}

/** A string keeps its quotes, so that an import can still be recognised; line ends stay. */
function keepEnds(opaque: string): string {
  if (opaque.startsWith('/')) return opaque.replace(/[^\n]/g, ' ');
  return opaque[0] + opaque.slice(1, -1).replace(/[^\n]/g, ' ') + opaque[0];
}
