/** What changed between two texts, line by line: for expectations about files that are no part of the project. */

/** `12- old` and `12+ new`, numbered in the text that has the line; unchanged lines are left out. */
export function lineDiff(before: string, after: string): string {
  const a = before.split('\n');
  const b = after.split('\n');
  const common = longestCommon(a, b);
  const lines: string[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      i++;
      j++;
    } else if (j >= b.length || (i < a.length && common[i + 1]![j]! >= common[i]![j + 1]!)) {
      lines.push(`${i + 1}- ${a[i]}`);
      i++;
    } else {
      lines.push(`${j + 1}+ ${b[j]}`);
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
