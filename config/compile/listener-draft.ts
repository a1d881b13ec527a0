/** One outbound listener while services are still being added to it: chains whose conditions differ, the first of each wins. */

import type { FilterChainConfig, FilterChainMatch, NetworkConfig } from '../runtime/filter-chain.ts';
import type { Origin } from '../runtime/origin.ts';
import { PLAIN_HTTP } from './application-protocols.ts';
import { MATCH_EVERYTHING } from './filter-chains.ts';

export interface DraftedChain {
  /** Unique in its listener. */
  readonly label: string;
  readonly match: FilterChainMatch;
  readonly network: NetworkConfig;
  readonly origin?: Origin | undefined;
}

export class ListenerDraft {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly origin: Origin;
  /** Names that the address is reached by. */
  readonly hosts: Set<string> = new Set();
  /** Some service leaves it open what is spoken here. */
  detectsProtocol = false;
  /** Label of the chain of each set of conditions. */
  readonly #taken: Map<string, string> = new Map();
  readonly #chains: FilterChainConfig[] = [];
  #fallback: FilterChainConfig | undefined = undefined;
  #fallbackLabel = '';
  #isHttpOnly = true;

  constructor(name: string, { address, port, origin }: { readonly address: string; readonly port: number; readonly origin: Origin }) {
    this.name = name;
    this.address = address;
    this.port = port;
    this.origin = origin;
  }

  get chains(): readonly FilterChainConfig[] {
    return this.#chains;
  }

  /** Takes what no other chain does. */
  get fallback(): FilterChainConfig | undefined {
    return this.#fallback;
  }

  /** Nothing but HTTP requests is expected here. */
  get isHttpOnly(): boolean {
    return this.#isHttpOnly && !this.detectsProtocol;
  }

  /** HTTP goes by route tables, which know every service of the port: one chain serves them all. */
  addHttp(network: NetworkConfig, ranges?: readonly string[]): void {
    const match = { ...(ranges !== undefined && { destinationRanges: ranges }), transport: 'plain' as const, applicationProtocols: PLAIN_HTTP };
    this.#take({ label: ranges === undefined ? 'http' : `http ${ranges.join(' ')}`, match, network });
  }

  /** Label of the chain that was here before, where that leaves nothing of this one. */
  add(chain: DraftedChain): string | undefined {
    this.#isHttpOnly = false;
    return this.#take(chain);
  }

  #take({ label, match, network, origin }: DraftedChain): string | undefined {
    const chain = (free: FilterChainMatch): FilterChainConfig => ({ name: `${this.name}/${label}`, match: free, network, ...(origin !== undefined && { origin }) });
    // Of 10,000 services most have an address and nothing else to look at.
    if (Object.keys(match).length === 0) {
      if (this.#fallback !== undefined) return this.#fallbackLabel;
      this.#fallback = chain(MATCH_EVERYTHING);
      this.#fallbackLabel = label;
      return undefined;
    }
    const free = this.#claim(label, match);
    if (typeof free === 'string') return free;
    this.#chains.push(chain(free));
    return undefined;
  }

  /** The conditions without the names and ranges that another chain has; that chain's label where nothing is left. */
  #claim(label: string, match: FilterChainMatch): FilterChainMatch | string {
    const { destinationRanges, serverNames, ...rest } = match;
    const others = JSON.stringify(rest);
    let owner = '';
    const freeNames = new Set<string>();
    const freeRanges = new Set<string>();
    for (const range of destinationRanges ?? ['']) {
      for (const name of serverNames ?? ['']) {
        const key = `${range} ${name} ${others}`;
        const before = this.#taken.get(key);
        if (before !== undefined) {
          owner = before;
          continue;
        }
        this.#taken.set(key, label);
        freeNames.add(name);
        freeRanges.add(range);
      }
    }
    if (freeNames.size === 0) return owner;
    return { ...(destinationRanges !== undefined && { destinationRanges: [...freeRanges] }), ...(serverNames !== undefined && { serverNames: [...freeNames] }), ...rest };
  }
}
