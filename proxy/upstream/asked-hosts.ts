/** Hosts that downstreams ask for by address, beside a cluster's endpoints: made on first use, forgotten when nobody asks. */

import type { EndpointConfig } from '../../config/runtime/endpoint.ts';
import type { Clock } from '../base/clock.ts';
import { hostAddress, type Host } from './host.ts';

/** Hosts that nobody asked for this long are dropped. */
const IDLE_MS = 60_000;
/** At the most; which ones is the downstream's choice. */
const LIMIT = 4096;

export interface AskedHostsDeps {
  readonly clock: Pick<Clock, 'now'>;
  readonly create: (endpoint: EndpointConfig) => Host;
}

export class AskedHosts {
  readonly #deps: AskedHostsDeps;
  /** Not those that are endpoints: they stay, however long nobody asks for them. */
  readonly #lastAskedMs: Map<Host, number> = new Map();
  /** Of a local port there is one for all redirected connections of a family. */
  #last: Host | undefined;

  constructor(deps: AskedHostsDeps) {
    this.#deps = deps;
  }

  /** The host at that address: one of `hosts`, or a new one among them. */
  at(address: string, port: number, hosts: Map<string, Host>): Host {
    const last = this.#last?.endpoint;
    const again = last !== undefined && last.port === port && last.address === address;
    const host = again ? (this.#last as Host) : this.#findOrCreate(address, port, hosts);
    this.#last = host;
    if (this.#lastAskedMs.has(host)) this.#lastAskedMs.set(host, this.#deps.clock.now());
    return host;
  }

  /** About once a second. */
  sweep(now: number, hosts: Map<string, Host>): void {
    for (const [host, askedMs] of this.#lastAskedMs) if (now - askedMs > IDLE_MS && host.activeRequests === 0) this.#drop(host, hosts);
  }

  /** Whatever hosts there are now are there because the configuration says so, however long ago one of them was asked for. */
  forget(): void {
    this.#lastAskedMs.clear();
    this.#last = undefined;
  }

  #findOrCreate(address: string, port: number, hosts: Map<string, Host>): Host {
    const endpoint: EndpointConfig = { address, port, weight: 1, locality: '', workload: {}, tlsMode: 'disabled' };
    const key = hostAddress(endpoint);
    const known = hosts.get(key);
    if (known !== undefined) return known;
    if (hosts.size >= LIMIT) this.#dropOldest(hosts);
    const host = this.#deps.create(endpoint);
    hosts.set(key, host);
    this.#lastAskedMs.set(host, this.#deps.clock.now());
    return host;
  }

  #dropOldest(hosts: Map<string, Host>): void {
    for (const host of this.#lastAskedMs.keys()) {
      if (host.activeRequests === 0) return this.#drop(host, hosts);
    }
  }

  #drop(host: Host, hosts: Map<string, Host>): void {
    host.drain();
    hosts.delete(host.address);
    this.#lastAskedMs.delete(host);
    if (this.#last === host) this.#last = undefined;
  }
}
