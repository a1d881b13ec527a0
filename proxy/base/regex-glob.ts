/** Regexes that are no more than literals and `.*`: compared as strings, several times faster than any engine. */

import { ANY, type Regex } from './regex-syntax.ts';

/** Literal texts with gaps between them: `a.*b` is texts `a`, `b` and one gap. There is one gap less than texts. */
interface Glob {
  readonly texts: readonly string[];
  /** Least length of each gap: 0 for `.*`, 1 for `.+`. */
  readonly gaps: readonly (0 | 1)[];
}

/** More alternatives than this are left to an engine. */
const MAX_GLOBS = 64;

/** A full match by string operations, or undefined where the regex asks for more. */
export function createGlobMatch(regex: Regex): ((value: string) => boolean) | undefined {
  const globs = globsOf(regex);
  if (globs === undefined) return undefined;
  const literals = new Set(globs.filter(isLiteral).map(({ texts }) => texts[0] as string));
  const tests = globs.filter((glob) => !isLiteral(glob)).map(createTest);
  if (tests.length === 0) return createLiteralTest([...literals]);
  const [only] = tests;
  if (tests.length === 1 && literals.size === 0 && only !== undefined) return only;
  return (value) => {
    if (literals.has(value)) return true;
    for (let i = 0; i < tests.length; i++) if ((tests[i] as (value: string) => boolean)(value)) return true;
    return false;
  };
}

function isLiteral({ texts }: Glob): boolean {
  return texts.length === 1;
}

function createLiteralTest(literals: readonly string[]): (value: string) => boolean {
  const [only] = literals;
  if (literals.length === 1) return (value) => value === only;
  const all = new Set(literals);
  return (value) => all.has(value);
}

function createTest({ texts, gaps }: Glob): (value: string) => boolean {
  const head = texts[0] as string;
  const tail = texts.at(-1) as string;
  const minLength = texts.join('').length + gaps.reduce<number>((sum, gap) => sum + gap, 0);
  if (gaps.length > 1) return (value) => value.length >= minLength && value.startsWith(head) && value.endsWith(tail) && holdsInOrder(value, texts, gaps);
  if (tail === '') return (value) => value.length >= minLength && value.startsWith(head);
  if (head === '') return (value) => value.length >= minLength && value.endsWith(tail);
  return (value) => value.length >= minLength && value.startsWith(head) && value.endsWith(tail);
}

/** Head and tail fit; the texts between are found from the left, each at its first possible place. */
function holdsInOrder(value: string, texts: readonly string[], gaps: readonly (0 | 1)[]): boolean {
  let end = (texts[0] as string).length;
  for (let i = 1; i < texts.length - 1; i++) {
    const text = texts[i] as string;
    const found = value.indexOf(text, end + (gaps[i - 1] as number));
    if (found === -1) return false;
    end = found + text.length;
  }
  return end + (gaps.at(-1) as number) <= value.length - (texts.at(-1) as string).length;
}

function globsOf(regex: Regex): readonly Glob[] | undefined {
  switch (regex.kind) {
    case 'set': {
      const code = regex.set.only();
      return code === undefined ? undefined : [{ texts: [String.fromCharCode(code)], gaps: [] }];
    }
    case 'group':
      return globsOf(regex.body);
    case 'repeat':
      return gapOf(regex);
    case 'choice':
      return limited(regex.options.map(globsOf), (left, right) => [...left, ...right], []);
    case 'sequence':
      return limited(regex.parts.map(globsOf), product, [{ texts: [''], gaps: [] }]);
  }
}

function gapOf({ body, min, max }: Regex & { readonly kind: 'repeat' }): readonly Glob[] | undefined {
  const inner = body.kind === 'group' ? body.body : body;
  if (max !== Infinity || (min !== 0 && min !== 1) || inner.kind !== 'set' || !inner.set.equals(ANY)) return undefined;
  return [{ texts: ['', ''], gaps: [min] }];
}

function limited(all: readonly (readonly Glob[] | undefined)[], join: (left: readonly Glob[], right: readonly Glob[]) => readonly Glob[], start: readonly Glob[]): readonly Glob[] | undefined {
  let result = start;
  for (const globs of all) {
    if (globs === undefined) return undefined;
    result = join(result, globs);
    if (result.length > MAX_GLOBS) return undefined;
  }
  return result;
}

function product(left: readonly Glob[], right: readonly Glob[]): readonly Glob[] {
  return left.flatMap((head) => right.map((tail) => joinGlobs(head, tail)));
}

function joinGlobs(head: Glob, tail: Glob): Glob {
  const seam = (head.texts.at(-1) as string) + (tail.texts[0] as string);
  return { texts: [...head.texts.slice(0, -1), seam, ...tail.texts.slice(1)], gaps: [...head.gaps, ...tail.gaps] };
}
