/** "did you mean": the known word nearest to a mistyped one. */

/**
 * The known word within a third of the length in edit distance (letter case, `_` and `-` count for nothing), else one
 * that begins as the word does or the other way round, or undefined. Bounded work: words over 64 characters get none.
 */
export function suggest(word: string, known: Iterable<string>): string | undefined {
  if (word.length > 64) return undefined;
  const target = fold(word);
  let best: string | undefined;
  let bestDistance = Math.floor(Math.max(target.length, 3) / 3) + 1;
  for (const candidate of known) {
    const distance = editDistance(target, fold(candidate), bestDistance);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best ?? beginsAlike(target, known);
}

function beginsAlike(target: string, known: Iterable<string>): string | undefined {
  for (const candidate of known) {
    const folded = fold(candidate);
    const shorter = Math.min(folded.length, target.length);
    if (shorter >= 4 && folded.slice(0, shorter) === target.slice(0, shorter)) return candidate;
  }
  return undefined;
}

/** `; did you mean "http"?`, or `; known here: a, b, c` when nothing is near and the list is short. */
export function suggestion(word: string, known: readonly string[]): string {
  const near = suggest(word, known);
  if (near !== undefined) return `; did you mean "${near}"?`;
  return known.length === 0 || known.length > 24 ? '' : `; known here: ${known.join(', ')}`;
}

function fold(word: string): string {
  return word.toLowerCase().replace(/[_-]/g, '');
}

/** Optimal string alignment distance, given up (returns limit) as soon as it cannot stay below the limit. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let value = Math.min(previous[j]! + 1, current[j - 1]! + 1, previous[j - 1]! + cost);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) value = Math.min(value, beforePrevious[j - 2]! + 1);
      current.push(value);
    }
    if (Math.min(...current) >= limit) return limit;
    beforePrevious = previous;
    previous = current;
  }
  return previous[b.length]!;
}
