/** The running data path: listeners, route tables and clusters made from a runtime configuration, changed by deltas. */

import type { ClusterConfig } from '../../config/runtime/cluster.ts';
import type { RuntimeDelta } from '../../config/runtime/delta.ts';
import type { ListenerConfig } from '../../config/runtime/listener.ts';
import type { RouteConfig, RouteTableConfig, VirtualHostConfig } from '../../config/runtime/route.ts';
import type { RuntimeConfig } from '../../config/runtime/runtime-config.ts';
import type { ClientTlsConfig } from '../../config/runtime/tls.ts';
import { FilterChain } from '../../filters/chain.ts';
import type { FilterDeps } from '../../filters/filter.ts';
import { createFilters } from '../../filters/registry.ts';
import type { ClusterView, ListenerView } from '../admin/view.ts';
import type { Clock, Timer } from '../base/clock.ts';
import type { EventClock } from '../base/event-clock.ts';
import { DomainMap } from '../base/domain-map.ts';
import type { Random } from '../base/random.ts';
import type { ClientTls } from '../identity/client-tls.ts';
import { Secrets, type SecretsView } from '../identity/secrets.ts';
import type { HttpDeps } from '../http/stream-listener.ts';
import type { InterceptionMode } from '../listener/interception.ts';
import type { ListenerLog } from '../listener/listener.ts';
import { loadOriginalDestination, type ReadOriginalDestination } from '../listener/original-destination.ts';
import { createLiveRoute, type LiveRoute } from '../router/live-route.ts';
import { RouteTable } from '../router/route-table.ts';
import type { Runtime } from '../router/runtime.ts';
import type { Stream } from '../stream/stream.ts';
import { LiveConnections } from '../tcp/live-connections.ts';
import { ownMetadata, type PeerMetadata } from '../telemetry/peer-metadata.ts';
import { Clusters } from '../upstream/clusters.ts';
import type { Resolver } from '../upstream/resolver.ts';
import { BoundListeners, type BoundPorts } from './bound-listeners.ts';
import { createOwnAddresses } from './own-addresses.ts';
import { createSecretWatch } from './secret-watch.ts';

export interface ProxyRuntimeDeps {
  readonly clock: EventClock;
  readonly random: Random;
  readonly resolver: Resolver;
  /** Told once for every stream. */
  readonly onComplete: (stream: Stream) => void;
  /** Told now and then of every TCP connection that goes on; absent where nobody counts. */
  readonly onTcpProgress?: (stream: Stream) => void;
  /** One sentence of why the proxy answered by itself; at most a few a second. */
  readonly onExplained: (sentence: string) => void;
  /** A plain sentence of what a cluster did about failing hosts or full limits; absent where nobody reads them. */
  readonly onUpstreamEvent?: (sentence: string) => void;
  /** Folder of the workload's certificate; absent: it has none. */
  readonly certs?: string | undefined;
  /** Shared by all workers: see SecretsDeps; absent: drawn. */
  readonly ticketSeed?: Uint8Array | undefined;
  /** A certificate was taken into use, or refused and why. */
  readonly onSecretEvent?: (level: 'info' | 'warn' | 'error', sentence: string) => void;
  /** A filter threw: a bug in the filter. */
  readonly onFilterError: (filter: string, error: unknown) => void;
  /** Whether iptables rules redirect to the capture listeners; absent: auto. */
  readonly interception?: InterceptionMode;
  /** What listeners say about connections before anybody serves them; absent where nobody reads it. */
  readonly listenerLog?: ListenerLog;
  /** Told of connections that nobody serves; absent where nobody logs them. */
  readonly onRefused?: (stream: Stream) => void;
  /** How long TCP connections may go on when their filter chain is gone, milliseconds; absent: 45 s. */
  readonly drainTimeMs?: number;
}

/** Istio's drain time. */
const DEFAULT_DRAIN_MS = 45_000;
/** Connections that are cut have closed by then. */
const CUT_LIMIT_MS = 1000;
const SILENT: ListenerLog = { isDebug: () => false, debug: () => {}, info: () => {} };

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
  readonly #listeners: BoundListeners;
  readonly #tcpConnections: LiveConnections;
  /** `not-asked` until a listener needs it. */
  #readOriginalDestination: ReadOriginalDestination | undefined | 'not-asked' = 'not-asked';
  /** The application is reached from 127.0.0.6: what is redirected to us would come back otherwise. */
  #fromLoopbackSix: boolean;
  #config: RuntimeConfig | undefined;
  /** What peers of the mesh are told of this workload. */
  #ownMetadata: PeerMetadata | undefined;
  #adminPort: number | undefined;
  #stopSweep: (() => void) | undefined;

  constructor(deps: ProxyRuntimeDeps) {
    this.#deps = deps;
    this.#tcpConnections = new LiveConnections(deps.onTcpProgress ?? ((): void => {}));
    const own = createOwnAddresses();
    const isOwnListener = (address: string, port: number): boolean => own.has(address) && (port === this.#adminPort || this.#listeners.hasPort(port));
    const onEvent = deps.onSecretEvent ?? (() => {});
    this.#secrets = new Secrets({ clock: deps.clock, onEvent, watch: createSecretWatch(deps.clock, (sentence) => onEvent('warn', sentence)), ticketSeed: deps.ticketSeed });
    const clientTls = (config: ClientTlsConfig): ClientTls => this.#secrets.client(config);
    this.#clusters = new Clusters({ clock: deps.clock, random: deps.random, resolver: deps.resolver, isOwnListener, report: deps.onUpstreamEvent, clientTls });
    const address = (): string | undefined => this.#config?.node.ip;
    const metadata = (): PeerMetadata | undefined => this.#ownMetadata;
    this.#runtime = {
      tables: this.#tables,
      clusters: this.#clusters,
      portless: this.#portless,
      get nodeAddress() {
        return address();
      },
      get ownMetadata() {
        return metadata();
      },
    };
    this.#httpDeps = {
      clock: deps.clock,
      random: deps.random,
      onComplete: deps.onComplete,
      onExplained: deps.onExplained,
      isOwnListener,
      tcpConnections: this.#tcpConnections,
    };
    this.#fromLoopbackSix = deps.interception === 'redirect';
    this.#listeners = this.#createListeners();
    const { clock, random } = deps;
    this.#filterDeps = { random, now: () => clock.now(), setTimer: (delayMs, fire) => clock.setTimer(delayMs, fire) };
  }

  /** Binds every listener. Rejects with an error that names address and port, and then nothing is bound. `adminPort`: see DataPlane. */
  async start(config: RuntimeConfig, adminPort?: number): Promise<BoundPorts> {
    this.#config = config;
    this.#ownMetadata = ownMetadata(config.node);
    this.#adminPort = adminPort;
    if (this.#deps.certs !== undefined) await this.#secrets.setWorkload(this.#deps.certs);
    this.#secrets.apply(Object.values(config.secrets), []);
    await this.#clusters.warm(Object.values(config.clusters));
    this.#clusters.apply(this.#reachable(Object.values(config.clusters)), []);
    for (const table of Object.values(config.routeTables)) this.#setTable(table.name, table.virtualHosts, []);
    await this.#learnOriginalDestination(config.listeners);
    const opened = await this.#listeners.open(config.listeners, Object.values(config.virtualListeners));
    this.#listeners.switchTo(config.listeners, opened);
    this.#scheduleSweep();
    return this.boundPorts();
  }

  /**
   * Applies a reload. New clusters are warmed and new listeners bound first (a port that cannot be had refuses the whole
   * delta), then everything changes in one synchronous step; streams under way keep the route and cluster they began with. Resolves to the bound
   * ports when they changed.
   */
  async applyDelta(delta: RuntimeDelta): Promise<BoundPorts | undefined> {
    const next = nextConfig(this.#config as RuntimeConfig, delta);
    const { changed } = delta.clusters;
    await this.#clusters.warm(changed);
    if (delta.listeners !== undefined) await this.#learnOriginalDestination(delta.listeners);
    const opened = delta.listeners === undefined ? [] : await this.#listeners.open(delta.listeners, Object.values(next.virtualListeners));
    if (delta.secrets !== undefined) this.#secrets.apply(delta.secrets.changed, delta.secrets.removed);
    this.#clusters.apply(this.#reachable(changed), delta.clusters.removed);
    for (const { name, changed, removed } of delta.routeTables.changed) this.#setTable(name, changed, removed);
    for (const name of delta.routeTables.removed) this.#removeTable(name);
    this.#config = next;
    if (delta.node !== undefined) this.#ownMetadata = ownMetadata(next.node);
    const switched = delta.listeners !== undefined && this.#listeners.switchTo(delta.listeners, opened);
    if (delta.virtualListeners !== undefined) this.#listeners.applyVirtual(delta.virtualListeners);
    return switched ? this.boundPorts() : undefined;
  }

  config(): RuntimeConfig {
    return this.#config as RuntimeConfig;
  }

  boundPorts(): BoundPorts {
    return this.#listeners.boundPorts();
  }

  *clusters(): Iterable<ClusterView> {
    for (const cluster of this.#clusters.all()) yield cluster;
  }

  listeners(): Iterable<ListenerView> {
    return this.#listeners.views();
  }

  secrets(): SecretsView {
    return this.#secrets.view();
  }

  /** Stops accepting, lets requests in flight end, cuts what is left after `deadlineMs`. */
  async drain(deadlineMs: number): Promise<void> {
    const { clock } = this.#deps;
    const empty = this.#listeners.drain();
    await settledWithin(deadlineMs, empty, clock);
    this.#listeners.destroy();
    // What was cut is logged when its sockets have closed.
    await settledWithin(CUT_LIMIT_MS, empty, clock);
    this.#stopSweep?.();
    this.#clusters.destroy();
    this.#secrets.close();
  }

  /** See DataPlane. */
  announceDrain(closeIdle: boolean): void {
    this.#listeners.announceDrain(closeIdle);
  }

  /** Stops accepting and closes idle connections, but goes on answering the busy ones (admin `/drain_listeners`). */
  drainListeners(): void {
    this.#listeners.stopAccepting();
  }

  #createListeners(): BoundListeners {
    const { clock, interception = 'auto', listenerLog = SILENT, onRefused = (): void => {}, drainTimeMs = DEFAULT_DRAIN_MS } = this.#deps;
    const reader = (): ReadOriginalDestination | undefined => (this.#readOriginalDestination === 'not-asked' ? undefined : this.#readOriginalDestination);
    return new BoundListeners({
      clock,
      runtime: this.#runtime,
      http: this.#httpDeps,
      terminate: (config) => this.#secrets.server(config),
      interception,
      get readOriginalDestination() {
        return reader();
      },
      isCapturePort: (_address, port) => this.#listeners.hasCapturePort(port),
      drainTimeMs,
      log: listenerLog,
      onRefused,
      onRedirected: ({ direction }) => {
        if (direction === 'inbound') this.#reachFromLoopbackSix();
      },
    });
  }

  /** Once; what keeps a proxy from knowing destinations is told then. */
  async #learnOriginalDestination(listeners: readonly ListenerConfig[]): Promise<void> {
    const { interception, listenerLog = SILENT } = this.#deps;
    const wanted = interception !== 'none' && listeners.some(({ usesOriginalDestination }) => usesOriginalDestination === true);
    if (!wanted || this.#readOriginalDestination !== 'not-asked') return;
    const loaded = await loadOriginalDestination();
    const known = typeof loaded === 'function';
    this.#readOriginalDestination = known ? loaded : undefined;
    if (!known) listenerLog.info(`redirected connections cannot be served: ${loaded.problem}`, {});
  }

  #reachFromLoopbackSix(): void {
    if (this.#fromLoopbackSix) return;
    this.#fromLoopbackSix = true;
    this.#clusters.apply(this.#reachable(Object.values(this.config().clusters).filter(isInbound)), []);
  }

  /** Connections to the application come from an address that interception rules let pass, as soon as there are such rules. */
  #reachable(clusters: readonly ClusterConfig[]): readonly ClusterConfig[] {
    return clusters.map((cluster) => (isInbound(cluster) ? { ...cluster, fromLoopbackSix: this.#fromLoopbackSix } : cluster));
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

  #scheduleSweep(): void {
    const timer = this.#deps.clock.setTimer(SWEEP_MS, () => {
      const now = this.#deps.clock.now();
      this.#listeners.sweep(now);
      this.#clusters.sweep(now);
      this.#tcpConnections.sweep(now);
      this.#scheduleSweep();
    });
    this.#stopSweep = () => timer.cancel();
  }
}

function isInbound({ name }: ClusterConfig): boolean {
  return name.startsWith('inbound|') || name === 'InboundPassthroughCluster';
}

function nextConfig(before: RuntimeConfig, delta: RuntimeDelta): RuntimeConfig {
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
    clusters: nextParts(before.clusters, delta.clusters),
    telemetry: delta.telemetry ?? before.telemetry,
  };
}

function nextParts<T extends { readonly name: string }>(before: Readonly<Record<string, T>>, delta: { readonly changed: readonly T[]; readonly removed: readonly string[] } | undefined): Readonly<Record<string, T>> {
  // A copy of 30,000 takes longer than a request may wait.
  if (delta === undefined || delta.changed.length + delta.removed.length === 0) return before;
  const parts = { ...before };
  for (const name of delta.removed) delete parts[name];
  for (const part of delta.changed) parts[part.name] = part;
  return parts;
}

function nextTable(before: RouteTableConfig | undefined, delta: RuntimeDelta['routeTables']['changed'][number]): RouteTableConfig {
  const gone = new Set([...delta.removed, ...delta.changed.map(({ name }) => name)]);
  return { name: delta.name, virtualHosts: [...(before?.virtualHosts ?? []).filter(({ name }) => !gone.has(name)), ...delta.changed] };
}

/** Resolves when `work` has, or after `limitMs`. */
async function settledWithin(limitMs: number, work: Promise<unknown>, clock: Clock): Promise<void> {
  let timer: Timer | undefined;
  await Promise.race([work, new Promise<void>((resolve) => (timer = clock.setTimer(limitMs, resolve)))]);
  timer?.cancel();
}
