/** Listeners that are not bound: where the outbound capture listener finds the chains for an address (Envoy: `use_original_dst`). */

import { isIP } from 'node:net';
import type { VirtualListenerConfig } from '../../config/runtime/listener.ts';
import type { Destination } from '../stream/connection-facts.ts';
import { ChainSet, type ChainDeps, type LiveChain } from './chain-set.ts';
import type { ChainChoice } from './connection.ts';

/** What stands for every address: of the connection's family first. */
const ANY_ADDRESS_4 = ['0.0.0.0', '::'] as const;
const ANY_ADDRESS_6 = ['::', '0.0.0.0'] as const;

export class VirtualListeners {
  readonly #deps: ChainDeps;
  readonly #byName: Map<string, VirtualListenerConfig> = new Map();
  /** By `address port`. */
  readonly #byDestination: Map<string, VirtualListenerConfig> = new Map();
  /** By name: made at their first connection, since of 10,000 services a workload talks to a dozen. */
  readonly #live: Map<string, ChainChoice> = new Map();
  /** Addresses by `host port`: made when a name is asked for, which only a CONNECT does. */
  #byHost: ReadonlyMap<string, readonly string[]> | undefined;
  #turn = 0;

  constructor(deps: ChainDeps, configs: Iterable<VirtualListenerConfig>) {
    this.#deps = deps;
    this.apply([...configs], []);
  }

  /** Returns the live chains that are gone or changed. */
  apply(changed: readonly VirtualListenerConfig[], removed: readonly string[]): readonly LiveChain[] {
    const retired: LiveChain[] = [];
    this.#byHost = undefined;
    for (const name of removed) {
      retired.push(...(this.#live.get(name)?.chains.apply({}) ?? []));
      this.#live.delete(name);
      this.#forget(name);
    }
    for (const config of changed) {
      this.#forget(config.name);
      this.#byName.set(config.name, config);
      this.#byDestination.set(keyOf(config), config);
      const live = this.#live.get(config.name);
      if (live === undefined) continue;
      retired.push(...live.chains.apply(config));
      this.#live.set(config.name, choiceOf(config, live.chains));
    }
    return retired;
  }

  /** The address that a host name stands for, one after the other where there are several; the name itself where nobody has it. */
  standsFor(destination: Destination): Destination {
    if (isIP(destination.address) !== 0) return destination;
    const addresses = (this.#byHost ??= this.#indexHosts()).get(`${destination.address.toLowerCase()} ${destination.port}`);
    const address = addresses?.[this.#turn++ % addresses.length];
    return address === undefined ? destination : { address, port: destination.port };
  }

  /** Of the address itself, else of its port at any address. */
  find(destination: Destination): ChainChoice | undefined {
    const { address, port } = destination;
    const [own, other] = address.includes(':') ? ANY_ADDRESS_6 : ANY_ADDRESS_4;
    const byDestination = this.#byDestination;
    const config = byDestination.get(`${address} ${port}`) ?? byDestination.get(`${own} ${port}`) ?? byDestination.get(`${other} ${port}`);
    if (config === undefined) return undefined;
    let live = this.#live.get(config.name);
    if (live === undefined) {
      live = choiceOf(config, new ChainSet(this.#deps, config));
      this.#live.set(config.name, live);
    }
    return live;
  }

  *chains(): Iterable<LiveChain> {
    for (const { chains } of this.#live.values()) yield* chains.live();
  }

  #indexHosts(): ReadonlyMap<string, readonly string[]> {
    const index = new Map<string, string[]>();
    for (const { hosts = [], address, port } of this.#byName.values()) {
      for (const host of hosts) {
        const key = `${host} ${port}`;
        const known = index.get(key);
        if (known === undefined) index.set(key, [address]);
        else known.push(address);
      }
    }
    return index;
  }

  #forget(name: string): void {
    const known = this.#byName.get(name);
    if (known === undefined) return;
    this.#byName.delete(name);
    if (this.#byDestination.get(keyOf(known)) === known) this.#byDestination.delete(keyOf(known));
  }
}

function choiceOf(config: VirtualListenerConfig, chains: ChainSet): ChainChoice {
  return { chains, detectsProtocol: config.detectsProtocol, detectionTimeoutMs: config.detectionTimeoutMs ?? 0 };
}

function keyOf({ address, port }: VirtualListenerConfig): string {
  return `${address} ${port}`;
}
