/** The running data path: listeners, route tables and clusters made from a runtime configuration, changed by deltas. */

import type { RuntimeDelta } from '../../config/runtime/delta.ts';
import type { ListenerConfig } from '../../config/runtime/listener.ts';
import type { RouteConfig, RouteTableConfig, VirtualHostConfig } from '../../config/runtime/route.ts';
import type { RuntimeConfig } from '../../config/runtime/runtime-config.ts';
import type { ClientTlsConfig } from '../../config/runtime/tls.ts';
import { FilterChain } from '../../filters/chain.ts';
import type { FilterDeps } from '../../filters/filter.ts';
import { createFilters } from '../../filters/registry.ts';
import type { ClusterView, ListenerView } from '../admin/view.ts';
import type { EventClock } from '../base/event-clock.ts';
import { DomainMap } from '../base/domain-map.ts';
import type { Random } from '../base/random.ts';
import { HttpListener } from '../http/http-listener.ts';
import type { ClientTls } from '../identity/client-tls.ts';
import { Secrets } from '../identity/secrets.ts';
import type { HttpDeps } from '../http/stream-listener.ts';
import { Acceptor } from '../listener/acceptor.ts';
import { createLiveRoute, type LiveRoute } from '../router/live-route.ts';
import { RouteTable } from '../router/route-table.ts';
import type { Runtime } from '../router/runtime.ts';
import type { Stream } from '../stream/stream.ts';
import { Clusters } from '../upstream/clusters.ts';
import type { Resolver } from '../upstream/resolver.ts';
import { createOwnAddresses } from './own-addresses.ts';

export interface ProxyRuntimeDeps {
  readonly clock: EventClock;
  readonly random: Random;
  readonly resolver: Resolver;
  /** Told once for every stream. */
  readonly onComplete: (stream: Stream) => void;
  /** One sentence of why the proxy answered by itself; at most a few a second. */
  readonly onExplained: (sentence: string) => void;
  /** A plain sentence of what a cluster did about failing hosts or full limits; absent where nobody reads them. */
  readonly onUpstreamEvent?: (sentence: string) => void;
  /** Folder of the workload's certificate; absent: it has none. */
  readonly certs?: string | undefined;
  /** A certificate was taken into use, or refused and why. */
  readonly onSecretEvent?: (level: 'info' | 'warn' | 'error', sentence: string) => void;
  /** A filter threw: a bug in the filter. */
  readonly onFilterError: (filter: string, error: unknown) => void;
}

/** Port of each bound listener. */
export interface BoundPorts {
  readonly outbound?: number;
  readonly inbound?: number;
  /** Gateway's or Sidecar's declared port → bound port. */
  readonly ports: Readonly<Record<string, number>>;
}

/** How often timeouts that need no precision are looked at. */
const SWEEP_MS = 1000;

export class ProxyRuntime {
  readonly #deps: ProxyRuntimeDeps;
  readonly #tables: Map<string, RouteTable<LiveRoute>> = new Map();
  readonly #portless: DomainMap<number> = new DomainMap();
  readonly #secrets: Secrets;
  readonly #clusters: Clusters;
  readonly #runtime: Runtime;
  readonly #httpDeps: HttpDeps;
  readonly #filterDeps: FilterDeps;
  #acceptors: Map<string, Acceptor> = new Map();
  /** Listeners that no longer accept but still have connections. */
  readonly #leaving: Set<HttpListener> = new Set();
  #config: RuntimeConfig | undefined;
  #adminPort: number | undefined;
  #stopSweep: (() => void) | undefined;

  constructor(deps: ProxyRuntimeDeps) {
    this.#deps = deps;
    const own = createOwnAddresses();
    const isOwnListener = (address: string, port: number): boolean => own.has(address) && (port === this.#adminPort || this.#boundPortNumbers().has(port));
    this.#secrets = new Secrets({ clock: deps.clock, onEvent: deps.onSecretEvent ?? (() => {}) });
    const clientTls = (config: ClientTlsConfig): ClientTls => this.#secrets.client(config);
    this.#clusters = new Clusters({ clock: deps.clock, random: deps.random, resolver: deps.resolver, isOwnListener, report: deps.onUpstreamEvent, clientTls });
    const address = (): string | undefined => this.#config?.node.ip;
    this.#runtime = {
      tables: this.#tables,
      clusters: this.#clusters,
      portless: this.#portless,
      get nodeAddress() {
        return address();
      },
    };
    this.#httpDeps = {
      clock: deps.clock,
      random: deps.random,
      onComplete: deps.onComplete,
      onExplained: deps.onExplained,
      isOwnListener,
    };
    const { clock, random } = deps;
    this.#filterDeps = { random, now: () => clock.now(), setTimer: (delayMs, fire) => clock.setTimer(delayMs, fire) };
  }

  /** Binds every listener. Rejects with an error that names address and port, and then nothing is bound. `adminPort`: see DataPlane. */
  async start(config: RuntimeConfig, adminPort?: number): Promise<BoundPorts> {
    this.#config = config;
    this.#adminPort = adminPort;
    if (this.#deps.certs !== undefined) await this.#secrets.setWorkload(this.#deps.certs);
    this.#secrets.apply(Object.values(config.secrets), []);
    await this.#clusters.warm(Object.values(config.clusters));
    this.#clusters.apply(Object.values(config.clusters), []);
    for (const table of Object.values(config.routeTables)) this.#setTable(table.name, table.virtualHosts, []);
    const opened = await this.#open(config.listeners);
    for (const acceptor of opened) this.#acceptors.set(acceptor.config.name, acceptor);
    this.#scheduleSweep();
    return this.boundPorts();
  }

  /**
   * Applies a reload. New clusters are warmed and new listeners bound first (a port that cannot be had refuses the whole
   * delta), then everything changes in one synchronous step; streams under way keep the route and cluster they began with. Resolves to the bound
   * ports when they changed.
   */
  async applyDelta(delta: RuntimeDelta): Promise<BoundPorts | undefined> {
    const before = this.#config as RuntimeConfig;
    await this.#clusters.warm(delta.clusters.changed);
    const opened = delta.listeners === undefined ? [] : await this.#open(delta.listeners.filter((listener) => this.#needsBinding(listener)));
    if (delta.secrets !== undefined) this.#secrets.apply(delta.secrets.changed, delta.secrets.removed);
    this.#clusters.apply(delta.clusters.changed, delta.clusters.removed);
    for (const { name, changed, removed } of delta.routeTables.changed) this.#setTable(name, changed, removed);
    for (const name of delta.routeTables.removed) this.#removeTable(name);
    this.#config = nextConfig(before, delta);
    if (delta.listeners === undefined) return undefined;
    return this.#switchListeners(delta.listeners, opened) ? this.boundPorts() : undefined;
  }

  config(): RuntimeConfig {
    return this.#config as RuntimeConfig;
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

  *clusters(): Iterable<ClusterView> {
    for (const cluster of this.#clusters.all()) yield cluster;
  }

  *listeners(): Iterable<ListenerView> {
    for (const acceptor of this.#acceptors.values()) {
      yield { config: acceptor.config, boundAddress: acceptor.boundAddress, boundPort: acceptor.boundPort, stats: acceptor.listener.stats };
    }
  }

  /** Stops accepting, lets requests in flight end, cuts what is left after `deadlineMs`. */
  async drain(deadlineMs: number): Promise<void> {
    const listeners = [...this.#acceptors.values()].map((acceptor) => {
      acceptor.close();
      return acceptor.listener;
    });
    listeners.push(...this.#leaving);
    for (const listener of listeners) listener.drain();
    const empty = Promise.all(listeners.map((listener) => listener.empty()));
    await Promise.race([empty, new Promise<void>((resolve) => this.#deps.clock.setTimer(deadlineMs, resolve))]);
    for (const listener of listeners) listener.destroy();
    this.#stopSweep?.();
    this.#clusters.destroy();
    this.#secrets.close();
  }

  /** See DataPlane. */
  announceDrain(closeIdle: boolean): void {
    for (const { listener } of this.#acceptors.values()) {
      if (closeIdle) listener.drain();
      else listener.draining = true;
    }
  }

  /** Stops accepting and closes idle connections, but goes on answering the busy ones (admin `/drain_listeners`). */
  drainListeners(): void {
    for (const acceptor of this.#acceptors.values()) {
      acceptor.close();
      acceptor.listener.drain();
    }
  }

  async #open(configs: readonly ListenerConfig[]): Promise<Acceptor[]> {
    const acceptors = configs.map((config) => new Acceptor(new HttpListener(config, this.#runtime, this.#httpDeps)));
    const results = await Promise.allSettled(acceptors.map((acceptor) => acceptor.listen()));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed === undefined) return acceptors;
    for (const [index, acceptor] of acceptors.entries()) if (results[index]?.status === 'fulfilled') acceptor.close();
    throw failed.reason;
  }

  #needsBinding(config: ListenerConfig): boolean {
    const current = this.#acceptors.get(config.name);
    return current === undefined || current.config.bind.address !== config.bind.address || current.config.bind.port !== config.bind.port;
  }

  /** True when a port was bound or freed. */
  #switchListeners(configs: readonly ListenerConfig[], opened: readonly Acceptor[]): boolean {
    const next = new Map<string, Acceptor>(opened.map((acceptor) => [acceptor.config.name, acceptor]));
    for (const config of configs) {
      if (next.has(config.name)) continue;
      const kept = this.#acceptors.get(config.name) as Acceptor;
      kept.listener.config = config;
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

  #retire(acceptor: Acceptor): void {
    const { listener } = acceptor;
    acceptor.close();
    listener.drain();
    this.#leaving.add(listener);
    void listener.empty().then(() => this.#leaving.delete(listener));
  }

  #setTable(name: string, changed: readonly VirtualHostConfig[], removed: readonly string[]): void {
    const table = this.#tables.get(name);
    if (table === undefined) {
      this.#tables.set(name, new RouteTable<LiveRoute>({ name, virtualHosts: changed }, (config, virtualHost) => createLiveRoute(config, virtualHost, this.#createFilters)));
    } else {
      for (const gone of removed) this.#forgetPortlessNamed(table, gone);
      for (const config of changed) this.#forgetPortlessNamed(table, config.name);
      table.apply(changed, removed);
    }
    for (const config of changed) this.#rememberPortless(config);
  }

  #removeTable(name: string): void {
    for (const virtualHost of this.#tables.get(name)?.virtualHosts() ?? []) this.#forgetPortless(virtualHost.config);
    this.#tables.delete(name);
  }

  #forgetPortlessNamed(table: RouteTable<LiveRoute>, name: string): void {
    const previous = table.get(name);
    if (previous !== undefined) this.#forgetPortless(previous.config);
  }

  #rememberPortless({ portless, domains }: VirtualHostConfig): void {
    if (portless !== undefined) for (const domain of domains) this.#portless.set(domain, portless);
  }

  #forgetPortless({ portless, domains }: VirtualHostConfig): void {
    if (portless === undefined) return;
    for (const domain of domains) if (this.#portless.get(domain) === portless) this.#portless.delete(domain);
  }

  readonly #createFilters = (config: RouteConfig): FilterChain | undefined => {
    const filters = createFilters(config.filters, this.#filterDeps);
    return filters.length === 0 ? undefined : new FilterChain(filters, this.#deps.onFilterError);
  };

  #boundPortNumbers(): Set<number> {
    return new Set([...this.#acceptors.values()].map((acceptor) => acceptor.boundPort));
  }

  #scheduleSweep(): void {
    const timer = this.#deps.clock.setTimer(SWEEP_MS, () => {
      const now = this.#deps.clock.now();
      for (const acceptor of this.#acceptors.values()) acceptor.listener.sweep(now);
      for (const listener of this.#leaving) listener.sweep(now);
      this.#clusters.sweep(now);
      this.#scheduleSweep();
    });
    this.#stopSweep = () => timer.cancel();
  }
}

function nextConfig(before: RuntimeConfig, delta: RuntimeDelta): RuntimeConfig {
  const clusters = { ...before.clusters };
  for (const cluster of delta.clusters.changed) clusters[cluster.name] = cluster;
  for (const name of delta.clusters.removed) delete clusters[name];
  const routeTables = { ...before.routeTables };
  for (const table of delta.routeTables.changed) routeTables[table.name] = nextTable(before.routeTables[table.name], table);
  for (const name of delta.routeTables.removed) delete routeTables[name];
  return {
    version: delta.version,
    node: delta.node ?? before.node,
    listeners: delta.listeners ?? before.listeners,
    virtualListeners: nextParts(before.virtualListeners, delta.virtualListeners),
    secrets: nextParts(before.secrets, delta.secrets),
    routeTables,
    clusters,
    telemetry: delta.telemetry ?? before.telemetry,
  };
}

function nextParts<T extends { readonly name: string }>(before: Readonly<Record<string, T>>, delta: { readonly changed: readonly T[]; readonly removed: readonly string[] } | undefined): Readonly<Record<string, T>> {
  if (delta === undefined) return before;
  const parts = { ...before };
  for (const name of delta.removed) delete parts[name];
  for (const part of delta.changed) parts[part.name] = part;
  return parts;
}

function nextTable(before: RouteTableConfig | undefined, delta: RuntimeDelta['routeTables']['changed'][number]): RouteTableConfig {
  const gone = new Set([...delta.removed, ...delta.changed.map(({ name }) => name)]);
  return { name: delta.name, virtualHosts: [...(before?.virtualHosts ?? []).filter(({ name }) => !gone.has(name)), ...delta.changed] };
}
