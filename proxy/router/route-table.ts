/** Authority → virtual host. Mutable: a reload changes the virtual hosts that differ and leaves the others compiled. */

import type { RouteTableConfig, VirtualHostConfig } from '../../config/runtime/route.ts';
import { DomainMap } from '../base/domain-map.ts';
import { VirtualHost, type CreateRoute } from './virtual-host.ts';

/** `R` is what a route is turned into for the data path; made when its virtual host is first asked. */
export class RouteTable<R> {
  readonly name: string;
  readonly #createRoute: CreateRoute<R>;
  readonly #domains = new DomainMap<VirtualHost<R>>();
  readonly #byName = new Map<string, VirtualHost<R>>();

  constructor(config: RouteTableConfig, createRoute: CreateRoute<R>) {
    this.name = config.name;
    this.#createRoute = createRoute;
    this.apply(config.virtualHosts, []);
  }

  /** By Host or :authority, in lower case; a port in it is ignored. Exact name, longest `*.suffix`, then `*`. */
  lookup(authority: string): VirtualHost<R> | undefined {
    return this.#domains.lookup(withoutPort(authority));
  }

  /** The domain by which `lookup` found its virtual host, for `explain`: a name, `*.suffix` or `*`. */
  matchedDomain(authority: string): string | undefined {
    return this.#domains.matchedDomain(withoutPort(authority));
  }

  /** By VirtualHostConfig.name. */
  get(name: string): VirtualHost<R> | undefined {
    return this.#byName.get(name);
  }

  virtualHosts(): IterableIterator<VirtualHost<R>> {
    return this.#byName.values();
  }

  /** Replaces or adds the `changed` virtual hosts and drops those named in `removed`. Streams keep the route they began with. */
  apply(changed: readonly VirtualHostConfig[], removed: readonly string[]): void {
    // All old domains go before any new one comes: a domain may have moved from one virtual host to another.
    for (const name of removed) this.#remove(name);
    for (const { name } of changed) this.#remove(name);
    for (const config of changed) this.#add(config);
  }

  #add(config: VirtualHostConfig): void {
    const virtualHost = new VirtualHost(config, this.#createRoute);
    this.#byName.set(config.name, virtualHost);
    for (const domain of config.domains) this.#domains.set(domain, virtualHost);
  }

  #remove(name: string): void {
    const virtualHost = this.#byName.get(name);
    if (virtualHost === undefined) return;
    this.#byName.delete(name);
    for (const domain of virtualHost.config.domains) {
      if (this.#domains.get(domain) === virtualHost) this.#domains.delete(domain);
    }
  }
}

/** Cuts `:digits` off the end; the colons inside an IPv6 literal stay, since that ends in `]`. */
function withoutPort(authority: string): string {
  for (let i = authority.length - 1; i >= 0; i--) {
    const code = authority.charCodeAt(i);
    if (code === 0x3a) return authority.slice(0, i);
    if (code < 0x30 || code > 0x39) return authority;
  }
  return authority;
}
