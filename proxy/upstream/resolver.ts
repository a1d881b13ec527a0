/** DNS names to endpoints: all addresses or the first, refreshed, the last good answer kept when a refresh fails. */

import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { EndpointConfig } from '../../config/runtime/endpoint.ts';
import type { Clock, Timer } from '../base/clock.ts';

/** Name to addresses; rejects when there are none. */
export type Resolver = (name: string) => Promise<readonly string[]>;

/**
 * The system's resolver (getaddrinfo: hosts file, search list), in the order it answers. Istio asks for addresses of the
 * workload's own family only, so that a name with both does not lead half of the requests into a network that is not
 * there; the other family is used where there is nothing else.
 */
export function createSystemResolver(own: 4 | 6): Resolver {
  return async (name) => ofFamily(await lookup(name, { all: true, verbatim: true }), own);
}

/** Addresses of the family `own`; all, where there is none of it. */
export function ofFamily(found: readonly { readonly address: string; readonly family: number }[], own: 4 | 6): readonly string[] {
  const preferred = found.filter(({ family }) => family === own);
  return (preferred.length > 0 ? preferred : found).map(({ address }) => address);
}

/** getaddrinfo tells no TTL, so names are asked for again after this; istiod's dnsRefreshRate default is 60 s, too long for a laptop. */
const REFRESH_MS = 15_000;
/** A failed lookup is repeated sooner. */
const RETRY_MS = 5_000;
/** Hosts one name may become. */
const MAX_ADDRESSES = 1000;

export interface ResolutionDeps {
  readonly clock: Clock;
  readonly resolver: Resolver;
}

/** Keeps one cluster's endpoints resolved until stopped. */
export class Resolution {
  readonly #endpoints: readonly EndpointConfig[];
  readonly #firstOnly: boolean;
  readonly #deps: ResolutionDeps;
  readonly #publish: (endpoints: EndpointConfig[]) => void;
  readonly #known: Map<string, readonly string[]>;
  #timer: Timer | undefined;
  #stopped = false;
  /** Resolves when every name has been looked up once, whatever came of it. */
  readonly first: Promise<void>;

  /** `before` is the resolution whose place this one takes: its answers stand until there are newer ones. */
  constructor(endpoints: readonly EndpointConfig[], firstOnly: boolean, deps: ResolutionDeps, publish: (endpoints: EndpointConfig[]) => void, before?: Resolution) {
    this.#endpoints = endpoints;
    this.#firstOnly = firstOnly;
    this.#deps = deps;
    this.#publish = publish;
    this.#known = new Map(before === undefined ? [] : before.#known);
    this.first = this.#refresh();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  async #refresh(): Promise<void> {
    const names = new Set(this.#endpoints.map(({ address }) => address).filter((address) => isIP(address) === 0));
    let failed = false;
    await Promise.all(
      [...names].map(async (name) => {
        try {
          this.#known.set(name, (await this.#deps.resolver(name)).slice(0, MAX_ADDRESSES));
        } catch {
          failed = true;
        }
      }),
    );
    if (this.#stopped) return;
    this.#publish(this.#endpoints.flatMap((endpoint) => this.#expand(endpoint)));
    if (names.size > 0) this.#timer = this.#deps.clock.setTimer(failed ? RETRY_MS : REFRESH_MS, () => void this.#refresh());
  }

  #expand(endpoint: EndpointConfig): EndpointConfig[] {
    if (isIP(endpoint.address) !== 0) return [endpoint];
    const addresses = this.#known.get(endpoint.address) ?? [];
    const used = this.#firstOnly ? addresses.slice(0, 1) : addresses;
    return used.map((address) => ({ ...endpoint, address }));
  }
}
