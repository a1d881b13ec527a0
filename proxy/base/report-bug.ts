/** For errors that only a bug can cause, where the work in hand must go on: they reach the process's handler, not the caller. */

export function reportBug(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
