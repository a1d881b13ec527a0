/** What changed between two texts, line by line: for expectations about files that are no part of the project. */

/** `-old` and `+new` under `@@ 12`, the line of the first text where they stand; unchanged lines are left out. */
export function lineDiff(before: string, after: string): string {
  const a = before.split('\n');
  const b = after.split('\n');
  const common = longestCommon(a, b);
  const lines: string[] = [];
  let i = 0;
  let j = 0;
  let between = true;
  while (i < a.length || j < b.length) {
    const equal = i < a.length && j < b.length && a[i] === b[j];
    if (between && !equal) lines.push(`@@ ${i + 1}`);
    between = equal;
    if (equal) {
      i++;
      j++;
    } else if (j >= b.length || (i < a.length && common[i + 1]![j]! >= common[i]![j + 1]!)) {
      lines.push(`-${a[i]}`);
      i++;
    } else {
      lines.push(`+${b[j]}`);
      j++;
    }
  }
  return lines.map((line) => `${line}\n`).join('');
}

/** Length of the longest common subsequence of what follows each pair of places. */
function longestCommon(a: readonly string[], b: readonly string[]): readonly Uint32Array[] {
  const rows = Array.from({ length: a.length + 1 }, () => new Uint32Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) rows[i]![j] = a[i] === b[j] ? rows[i + 1]![j + 1]! + 1 : Math.max(rows[i + 1]![j]!, rows[i]![j + 1]!);
  }
  return rows;
}
