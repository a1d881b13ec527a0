/** Scalars of plain YAML: what a token means, and which ones the quick reader leaves to the full parser. */

/** Thrown within the quick reader, to leave its recursion at once. */
export const declined = new Error('not plain YAML');

/** Only spaces: `trimEnd` would take a no-break space too, which belongs to the scalar. */
export function withoutTrailingSpaces(text: string): string {
  let end = text.length;
  while (text.charCodeAt(end - 1) === 0x20) end--;
  return text.slice(0, end);
}

/** A key's text; a plain key that reads as something else (`8080:`, `true:`) is declined. */
export function keyText(token: string): string {
  if (token[0] === '"' || token[0] === "'") return token.slice(1, -1);
  if (typeof resolve(token) !== 'string') throw declined;
  return token;
}

/** A one-line quoted scalar. */
export function unquote(token: string): string {
  const inner = token.slice(1, -1);
  if (token[0] === "'") return inner.replaceAll("''", "'");
  if (!inner.includes('\\')) return inner;
  try {
    return JSON.parse(token) as string;
  } catch {
    throw declined;
  }
}

const numeric = /^[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?$/;

/** A plain scalar's value in the YAML 1.2 core schema; the rare forms of numbers are declined. */
export function resolve(token: string): unknown {
  if (!/^[-+.~0-9nNtTfF]/.test(token)) return token;
  if (/^(?:~|null|Null|NULL)$/.test(token)) return null;
  if (/^(?:true|True|TRUE)$/.test(token)) return true;
  if (/^(?:false|False|FALSE)$/.test(token)) return false;
  if (/^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)|0o[0-7]+|0x[0-9a-fA-F]+)$/.test(token)) throw declined;
  if (!numeric.test(token)) return token;
  if (token.length > 15) throw declined;
  return Number(token);
}

/** Lines of a literal block, final line breaks clipped (one), stripped (`-`) or kept (`+`). */
export function chomp(lines: readonly string[], mode: string): string {
  let end = lines.length;
  while (end > 0 && lines[end - 1] === '') end--;
  if (end === 0 || mode === '+') throw declined;
  return lines.slice(0, end).join('\n') + (mode === '-' ? '' : '\n');
}
