/** What the harness needs of a running test: somewhere to register its tidying up. tap's `t` is one. */

export interface TestScope {
  teardown(tidy: () => unknown): void;
}

/** Milliseconds after which waiting for something that should happen on loopback counts as never. */
export const PATIENCE_MS = 10_000;

/** Rejects with `what` when `promise` has not settled in time, so that a hang names itself. */
export async function inTime<T>(promise: Promise<T>, what: string, limitMs: number = PATIENCE_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: still waiting after ${limitMs} ms`)), limitMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Calls `probe` until it returns something other than undefined or false; rejects with `what` at the deadline. */
export async function eventually<T>(probe: () => T | undefined | false | Promise<T | undefined | false>, what: string, limitMs: number = PATIENCE_MS): Promise<T> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const found = await probe();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > deadline) throw new Error(`${what}: not so after ${limitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
