/**
 * What happens to an exception that nobody caught, or a rejection that nobody awaited, while the proxy serves.
 *
 * The process goes on. Data-path state belongs to one stream or connection; what streams share (counters, pools, the
 * runtime) is changed in single synchronous steps that do not throw half-way. So a bug costs the stream it struck and
 * at worst a gauge, while ending the process would cost every other stream, again and again for whoever found the
 * request that triggers it. Before the proxy serves, Node's own rule stands: the stack is printed and the process
 * ends with 1.
 */

import type { Clock } from '../base/clock.ts';

export interface BugLog {
  error(message: string): void;
}

/** Stacks logged in a minute; more are counted, so that a bug in every request does not drown the log. */
const STACKS_PER_WINDOW = 20;
const WINDOW_MS = 60_000;

/** Returns what takes the listeners away again. */
export function surviveBugs(log: BugLog, clock: Clock, source: NodeJS.EventEmitter = process): () => void {
  let windowEnd = -Infinity;
  let seen = 0;
  const report = (kind: string, reason: unknown): void => {
    const now = clock.now();
    if (now >= windowEnd) {
      if (seen > STACKS_PER_WINDOW) log.error(`${seen - STACKS_PER_WINDOW} more internal errors in the last minute`);
      windowEnd = now + WINDOW_MS;
      seen = 0;
    }
    seen += 1;
    if (seen <= STACKS_PER_WINDOW) log.error(`internal error (${kind}): ${describe(reason)}`);
  };
  const onException = (error: unknown): void => report('uncaught exception', error);
  const onRejection = (reason: unknown): void => report('unhandled rejection', reason);
  source.on('uncaughtException', onException);
  source.on('unhandledRejection', onRejection);
  return () => {
    source.off('uncaughtException', onException);
    source.off('unhandledRejection', onRejection);
  };
}

function describe(reason: unknown): string {
  return reason instanceof Error ? (reason.stack ?? reason.message) : String(reason);
}
