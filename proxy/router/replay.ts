/**
 * Whether a request may silently be sent again after its connection closed without an answer: the keep-alive race, in
 * which the server ends an idle connection just as we write to it (proxy-semantics A.6). Pure.
 */

export interface RaceFacts {
  /** The connection had carried a request before: only then is it a race and not a refusal. */
  readonly reused: boolean;
  /** A byte of an answer was read. */
  readonly answered: boolean;
  readonly method: string;
  readonly hasBody: boolean;
  /** Body bytes written on the broken connection; they are not kept. */
  readonly bodyBytesWritten: number;
  /** Times this request was sent again already. */
  readonly replays: number;
}

/** RFC 9110 9.2.2. */
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);
/** A server that closes behind every answer could win the race again and again; a fresh connection then decides. */
const MAX_REPLAYS = 5;

export function mayReplay(facts: RaceFacts): boolean {
  if (!facts.reused || facts.answered || facts.replays >= MAX_REPLAYS) return false;
  if (facts.bodyBytesWritten > 0) return false;
  // A body of which nothing was written: the server cannot have begun to act on it. Without a body only repetition that changes nothing is safe.
  return facts.hasBody || IDEMPOTENT.has(facts.method);
}
