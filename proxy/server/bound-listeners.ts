/** Every bound listener of the proxy: opened all or none, changed by reloads, drained together. */

import type { ListenerConfig, VirtualListenerConfig } from '../../config/runtime/listener.ts';
import type { ListenerView } from '../admin/view.ts';
import { Acceptor } from '../listener/acceptor.ts';
import { Listener, type ListenerDeps } from '../listener/listener.ts';

/** Port of each bound listener. */
export interface BoundPorts {
  readonly outbound?: number;
  readonly inbound?: number;
  /** Gateway's or Sidecar's declared port → bound port. */
  readonly ports: Readonly<Record<string, number>>;
}

export class BoundListeners {
  readonly #deps: ListenerDeps;
  #acceptors: Map<string, Acceptor> = new Map();
  /** Listeners that no longer accept but still have connections. */
  readonly #leaving: Set<Listener> = new Set();

  constructor(deps: ListenerDeps) {
    this.#deps = deps;
  }

  /** Binds those that are not bound yet. Rejects with an error that names address and port, and then none of them is. */
  async open(configs: readonly ListenerConfig[], virtual: readonly VirtualListenerConfig[]): Promise<readonly Acceptor[]> {
    const acceptors = configs.filter((config) => this.#needsBinding(config)).map((config) => new Acceptor(new Listener(config, this.#deps, virtual)));
    const results = await Promise.allSettled(acceptors.map((acceptor) => acceptor.listen()));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed === undefined) return acceptors;
    for (const [index, acceptor] of acceptors.entries()) if (results[index]?.status === 'fulfilled') acceptor.close();
    throw failed.reason;
  }

  /** Exactly `configs` listen from now on, `opened` among them. True when a port was bound or freed. */
  switchTo(configs: readonly ListenerConfig[], opened: readonly Acceptor[]): boolean {
    const next = new Map<string, Acceptor>(opened.map((acceptor) => [acceptor.config.name, acceptor]));
    for (const config of configs) {
      if (next.has(config.name)) continue;
      const kept = this.#acceptors.get(config.name) as Acceptor;
      kept.listener.apply(config);
      next.set(config.name, kept);
    }
    let freed = false;
    for (const [name, acceptor] of this.#acceptors) {
      if (next.get(name) === acceptor) continue;
      freed = true;
      this.#retire(acceptor);
    }
    this.#acceptors = next;
    return freed || opened.length > 0;
  }

  applyVirtual({ changed, removed }: { readonly changed: readonly VirtualListenerConfig[]; readonly removed: readonly string[] }): void {
    for (const { listener } of this.#acceptors.values()) listener.applyVirtual(changed, removed);
  }

  boundPorts(): BoundPorts {
    const ports: Record<string, number> = {};
    let outbound: number | undefined;
    let inbound: number | undefined;
    for (const acceptor of this.#acceptors.values()) {
      const { name, declaredPort } = acceptor.config;
      if (declaredPort !== undefined) ports[declaredPort] = acceptor.boundPort;
      else if (name === 'virtualOutbound') outbound = acceptor.boundPort;
      else if (name === 'virtualInbound') inbound = acceptor.boundPort;
    }
    return { ...(outbound === undefined ? {} : { outbound }), ...(inbound === undefined ? {} : { inbound }), ports };
  }

  hasPort(port: number): boolean {
    for (const acceptor of this.#acceptors.values()) if (acceptor.boundPort === port) return true;
    return false;
  }

  /** Ports to which interception redirects. */
  hasCapturePort(port: number): boolean {
    for (const { boundPort, config } of this.#acceptors.values()) if (boundPort === port && config.usesOriginalDestination === true) return true;
    return false;
  }

  *views(): Iterable<ListenerView> {
    for (const acceptor of this.#acceptors.values()) {
      yield { config: acceptor.config, boundAddress: acceptor.boundAddress, boundPort: acceptor.boundPort, stats: acceptor.listener.stats };
    }
  }

  sweep(now: number): void {
    for (const { listener } of this.#acceptors.values()) listener.sweep(now);
    for (const listener of this.#leaving) listener.sweep(now);
  }

  /** See DataPlane.announceDrain. */
  announceDrain(closeIdle: boolean): void {
    for (const { listener } of this.#acceptors.values()) listener.announceDrain(closeIdle);
  }

  /** Stops accepting and closes idle connections, but goes on answering the busy ones. */
  stopAccepting(): void {
    for (const acceptor of this.#acceptors.values()) {
      acceptor.close();
      acceptor.listener.drain();
    }
  }

  /** Stops accepting; resolves when no connection is left. */
  async drain(): Promise<void> {
    this.stopAccepting();
    for (const listener of this.#leaving) listener.drain();
    await Promise.all(this.#all().map((listener) => listener.empty()));
  }

  destroy(): void {
    for (const listener of this.#all()) listener.destroy();
  }

  #all(): readonly Listener[] {
    return [...[...this.#acceptors.values()].map(({ listener }) => listener), ...this.#leaving];
  }

  #needsBinding(config: ListenerConfig): boolean {
    const current = this.#acceptors.get(config.name);
    return current === undefined || current.config.bind.address !== config.bind.address || current.config.bind.port !== config.bind.port;
  }

  #retire(acceptor: Acceptor): void {
    const { listener } = acceptor;
    acceptor.close();
    listener.retire();
    this.#leaving.add(listener);
    void listener.empty().then(() => this.#leaving.delete(listener));
  }
}
