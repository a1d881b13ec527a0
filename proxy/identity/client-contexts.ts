/** OpenSSL contexts of the upstream side by what is in them: thousands of clusters with the mesh's own settings share one. */

import type { SecureContext } from 'node:tls';

export class ClientContexts {
  readonly #contexts = new Map<string, SecureContext>();
  #generation = 0;

  /** `create` may throw. Contexts made with older secrets are forgotten; connections that use one keep it. */
  take(digest: string, generation: number, create: () => SecureContext): SecureContext {
    if (generation > this.#generation) {
      this.#generation = generation;
      this.#contexts.clear();
    }
    const known = this.#contexts.get(digest);
    if (known !== undefined) return known;
    const context = create();
    this.#contexts.set(digest, context);
    return context;
  }
}
