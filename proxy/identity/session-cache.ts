/** Sessions of upstream hosts, so that the next connection to one costs less; oldest forgotten first. */

import type { CertificateFacts } from './peer.ts';

/** What a resumed handshake starts from. OpenSSL's client keeps the host's certificate in the session, but node does not tell it. */
export interface KnownSession {
  readonly ticket: Buffer;
  /** As it was verified when the session began. */
  readonly peer: CertificateFacts | undefined;
}

/** About 2 KB each. */
const MOST_SESSIONS = 2048;

export class SessionCache {
  readonly #sessions = new Map<string, KnownSession>();
  #generation = 0;

  /** Sessions made with older secrets are forgotten. */
  find(key: string, generation: number): KnownSession | undefined {
    this.#keepOnly(generation);
    return this.#sessions.get(key);
  }

  /** The newest of a key stays: in TLS 1.3 each is meant to be used once (RFC 8446 C.4). */
  store(key: string, generation: number, session: KnownSession): void {
    this.#keepOnly(generation);
    if (generation !== this.#generation) return;
    this.#sessions.delete(key);
    if (this.#sessions.size >= MOST_SESSIONS) this.#sessions.delete(this.#sessions.keys().next().value as string);
    this.#sessions.set(key, session);
  }

  forget(key: string): void {
    this.#sessions.delete(key);
  }

  #keepOnly(generation: number): void {
    if (generation <= this.#generation) return;
    this.#generation = generation;
    this.#sessions.clear();
  }
}
