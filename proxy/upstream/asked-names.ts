/**
 * Names that downstreams bring, looked up when they come and kept for a while (Envoy: the DNS cache of its dynamic forward
 * proxy; ServiceEntry resolution DYNAMIC_DNS). Who names what is the downstream's choice, so everything here has a limit.
 */

import { isIP } from 'node:net';
import type { Clock, Timer } from '../base/clock.ts';
import type { Resolver } from './resolver.ts';

/** Why a name leads nowhere: `dns` with Envoy's kind of words for it, `overflow` where there is no room for one more name. */
export type NameFailure = { readonly kind: 'dns'; readonly reason: string } | { readonly kind: 'overflow' };

/** An address, or why there is none. */
export type NameAnswer = string | NameFailure;

/** Envoy's max_hosts; a name that nobody has asked for lately makes room for a new one. */
export const MAX_NAMES = 1024;
/** An answer older than this is used once more while it is looked up again, as the names of DNS clusters are. */
const REFRESH_MS = 15_000;
/** A name is not looked up again sooner than this after it failed. */
const RETRY_MS = 5_000;
/** An answer that nobody has used for this long is not used any more (Envoy's host_ttl). */
const UNUSED_MS = 300_000;
/** Envoy's dns_query_timeout. */
const QUERY_TIMEOUT_MS = 5_000;

export interface AskedNamesDeps {
  readonly clock: Clock;
  readonly resolver: Resolver;
}

interface Entry {
  answer: NameAnswer | undefined;
  /** Monotonic milliseconds of the last answer or failure. */
  checkedMs: number;
  usedMs: number;
  pending: Promise<void> | undefined;
}

const OVERFLOW: NameFailure = { kind: 'overflow' };

export class AskedNames {
  readonly #deps: AskedNamesDeps;
  /** By name in lower case, the one that was not used for longest first. */
  readonly #entries: Map<string, Entry> = new Map();

  constructor(deps: AskedNamesDeps) {
    this.#deps = deps;
  }

  /** Undefined where `answer` can tell at once; else resolves as soon as it can. Never rejects. */
  lookUp(name: string): Promise<void> | undefined {
    if (isIP(name) !== 0) return undefined;
    const now = this.#deps.clock.now();
    const entry = this.#use(name, now);
    if (entry === undefined) return undefined;
    if (isFresh(entry, now)) return undefined;
    const looking = (entry.pending ??= this.#resolve(name, entry));
    // An old answer is better than waiting for a new one, unless it said that there is none.
    return typeof entry.answer === 'string' ? undefined : looking;
  }

  /** What is known of the name; after `lookUp`. */
  answer(name: string): NameAnswer {
    if (isIP(name) !== 0) return name;
    return this.#entries.get(name.toLowerCase())?.answer ?? OVERFLOW;
  }

  /** Undefined: there are too many names, each of which somebody waits for. */
  #use(written: string, now: number): Entry | undefined {
    const name = written.toLowerCase();
    let entry = this.#entries.get(name);
    if (entry === undefined) {
      if (this.#entries.size >= MAX_NAMES && !this.#makeRoom()) return undefined;
      entry = { answer: undefined, checkedMs: -Infinity, usedMs: now, pending: undefined };
    } else {
      this.#entries.delete(name);
      if (now - entry.usedMs > UNUSED_MS) entry.answer = undefined;
    }
    entry.usedMs = now;
    this.#entries.set(name, entry);
    return entry;
  }

  #makeRoom(): boolean {
    for (const [name, { pending }] of this.#entries) {
      if (pending !== undefined) continue;
      this.#entries.delete(name);
      return true;
    }
    return false;
  }

  async #resolve(name: string, entry: Entry): Promise<void> {
    const found = await this.#query(name);
    entry.pending = undefined;
    entry.checkedMs = this.#deps.clock.now();
    // When a refresh fails, the last good answer stays (Envoy).
    if (typeof found === 'string' || typeof entry.answer !== 'string') entry.answer = found;
  }

  async #query(name: string): Promise<NameAnswer> {
    let limit: Timer | undefined;
    const late = new Promise<NameAnswer>((resolve) => {
      limit = this.#deps.clock.setTimer(QUERY_TIMEOUT_MS, () => resolve({ kind: 'dns', reason: 'Timeout' }));
    });
    const answer = this.#deps.resolver(name).then(([first]) => first ?? NOT_FOUND, failureOf);
    const outcome = await Promise.race([answer, late]);
    limit?.cancel();
    return outcome;
  }
}

const UNKNOWN_NAME = 'Domain name not found';
const NOT_FOUND: NameFailure = { kind: 'dns', reason: UNKNOWN_NAME };

/** getaddrinfo's codes. */
const REASONS: Readonly<Record<string, string>> = {
  ENOTFOUND: UNKNOWN_NAME,
  EAI_AGAIN: 'Temporary failure in name resolution',
};

function failureOf(error: unknown): NameFailure {
  const code = (error as NodeJS.ErrnoException | undefined)?.code ?? '';
  return { kind: 'dns', reason: REASONS[code] ?? (code === '' ? 'Lookup failed' : code) };
}

function isFresh({ answer, checkedMs }: Entry, now: number): boolean {
  return answer !== undefined && now - checkedMs < (typeof answer === 'string' ? REFRESH_MS : RETRY_MS);
}
