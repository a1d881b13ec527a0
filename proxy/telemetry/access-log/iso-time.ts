/** ISO 8601 with milliseconds for %START_TIME%; a busy log writes many lines within one second and pays for one. */

/** `007Z` for every millisecond of a second. */
const ENDINGS: readonly string[] = Array.from({ length: 1000 }, (_, ms) => `${String(ms).padStart(3, '0')}Z`);

/** Milliseconds since the epoch → `2026-11-21T08:49:01.007Z`. Keeps the text of the second it saw last. */
export function createIsoTime(): (epochMs: number) => string {
  let second = Number.NaN;
  let beginning = '';
  return (epochMs) => {
    const current = Math.floor(epochMs / 1000);
    if (current !== second) {
      second = current;
      beginning = new Date(current * 1000).toISOString().slice(0, 20);
    }
    return beginning + ENDINGS[Math.floor(epochMs - current * 1000)];
  };
}
