/** A live cluster: its settings, hosts, balancer and counters behind one façade. It outlives reloads; only its settings change. */

import type { ClusterConfig, LoadBalancerConfig } from '../../config/runtime/cluster.ts';
import type { EndpointConfig } from '../../config/runtime/endpoint.ts';
import { isDeepStrictEqual } from 'node:util';
import type { ClientTlsConfig } from '../../config/runtime/tls.ts';
import type { ClientTls } from '../identity/client-tls.ts';
import type { EventClock } from '../base/event-clock.ts';
import type { Random } from '../base/random.ts';
import type { Destination } from '../stream/connection-facts.ts';
import type { UpstreamClusterView } from '../stream/stream-info.ts';
import { ClusterStats } from '../telemetry/stats.ts';
import { AskedHosts } from './asked-hosts.ts';
import { AskedNames, type NameFailure } from './asked-names.ts';
import type { IsOwnListener } from './connector.ts';
import type { PickRequest } from './balancer/balancer.ts';
import { viewBreaker, type BreakerView } from './breaker-view.ts';
import { CircuitBreaker } from './circuit-breaker.ts';
import { ClusterReport } from './cluster-report.ts';
import { Host, hostAddress, type HostDeps } from './host.ts';
import { HostSet } from './host-set.ts';
import { OutlierDetector, type OutlierEvent } from './outlier-detector.ts';
import { poolSettingsOf, type PoolSettings } from './pool-settings.ts';
import { Resolution, type Resolver } from './resolver.ts';

export interface ClusterDeps {
  readonly clock: EventClock;
  readonly random: Random;
  readonly resolver: Resolver;
  /** Absent where nothing listens (explain, benchmarks). */
  readonly isOwnListener?: IsOwnListener;
  /** Told a plain sentence of every ejection and return, and now and then of what limits refused; absent where nobody reads them. */
  readonly report?: ((sentence: string) => void) | undefined;
  /** Makes what secures connections; absent where no connection is ever made (explain, benchmarks). */
  readonly clientTls?: ((config: ClientTlsConfig) => ClientTls) | undefined;
}

const NOT_BY_NAME: NameFailure = { kind: 'overflow' };

export class Cluster implements UpstreamClusterView {
  config: ClusterConfig;
  readonly stats: ClusterStats = new ClusterStats();
  readonly breaker: CircuitBreaker;
  /** Told of every attempt; undefined where no outlier detection is configured. */
  outlier: OutlierDetector | undefined;
  /** Answers that were passed on, and failures that ended a request, by status; undefined before the first. */
  answered: Map<number, number> | undefined;
  /** Answers given up for another try, by status; undefined where there was none. */
  retried: Map<number, number> | undefined;
  /** The names that downstreams bring; undefined where endpoints or addresses say where to go. */
  names: AskedNames | undefined;
  readonly #deps: ClusterDeps;
  readonly #report: ClusterReport | undefined;
  readonly #settings: PoolSettings;
  readonly #hostDeps: HostDeps;
  #tls: ClientTls | undefined;
  #hosts: Map<string, Host> = new Map();
  #hostSet: HostSet<Host>;
  /** The settings that the host set was made with. */
  #balancedBy: LoadBalancerConfig | undefined;
  #resolution: Resolution | undefined;
  /** Hosts are made at first use: of 10,000 clusters a workload talks to a dozen. */
  #used = false;
  readonly #asked: AskedHosts;

  constructor(config: ClusterConfig, deps: ClusterDeps) {
    this.config = config;
    this.#deps = deps;
    this.breaker = new CircuitBreaker(config.connectionPool, deps.clock);
    this.#tls = this.#createTls();
    this.#settings = this.#poolSettings();
    this.#report = deps.report === undefined ? undefined : new ClusterReport(deps.report);
    const { clock } = deps;
    this.#hostDeps = { settings: this.#settings, clock, stats: this.stats, breaker: this.breaker, onTlsFailure: (address, sentence) => this.#report?.onTlsFailure(config.name, address, sentence, clock.now()) };
    this.#asked = new AskedHosts({ clock, create: (endpoint) => this.#createHost(endpoint) });
    this.#hostSet = this.#createHostSet([]);
    if (config.discovery !== 'STATIC') this.#applyEndpoints();
  }

  get name(): string {
    return this.config.name;
  }

  get service(): ClusterConfig['service'] {
    return this.config.service;
  }

  get hosts(): Iterable<Host> {
    if (!this.#used) this.#applyEndpoints();
    return this.#hosts.values();
  }

  /** The breaker as statistics show it. */
  get breakerView(): BreakerView {
    return viewBreaker(this.breaker, this.config.connectionPool);
  }

  /** The host goes where the downstream asked, not where endpoints say. */
  get usesOriginalDestination(): boolean {
    const { discovery, loadBalancer } = this.config;
    return discovery === 'ORIGINAL_DST' || (loadBalancer.policy === 'PASSTHROUGH' && discovery !== 'DYNAMIC_DNS');
  }

  /** Where it goes is the downstream's choice: an address or a name. */
  get isChosenByDownstream(): boolean {
    return this.config.discovery === 'DYNAMIC_DNS' || this.usesOriginalDestination;
  }

  /** Redirected connections go on to where they were going, although there are endpoints or a fixed address for others. */
  get followsRedirection(): boolean {
    return this.config.followsOriginalDestination === true;
  }

  /** Resolves when the names among its endpoints have been looked up once, whatever came of it; at once where there are none. */
  get warm(): Promise<void> {
    return this.#resolution?.first ?? Promise.resolve();
  }

  /** New settings and endpoints; hosts that stay keep their connections and counters. */
  update(config: ClusterConfig): void {
    const securedAnew = !isDeepStrictEqual(this.config.tls, config.tls);
    this.config = config;
    this.breaker.setLimits(config.connectionPool);
    if (securedAnew) this.#tls = this.#createTls();
    Object.assign(this.#settings, this.#poolSettings());
    if (securedAnew) for (const host of this.#hosts.values()) host.renew();
    if (this.#used || config.discovery !== 'STATIC') this.#applyEndpoints();
  }

  /** A host to send to, or undefined when none is healthy. */
  pick(request?: PickRequest<Host>): Host | undefined {
    if (!this.#used) this.#applyEndpoints();
    const host = this.#hostSet.pick(request);
    if (host === undefined) this.stats.upstreamCxNoneHealthy++;
    return host;
  }

  /** The host for an original destination, made on first use. */
  pickOriginal(address: string, port: number): Host {
    return this.#hostAt(this.config.addressOverride ?? address, this.config.portOverride ?? port);
  }

  /** The host that a redirected connection was on its way to: one of the endpoints, or made on first use. */
  pickRedirected({ address, port }: Destination): Host {
    return this.#hostAt(address, this.config.portOverride ?? port);
  }

  /** The host of a name that has been looked up, made on first use; or why there is none. */
  pickNamed(name: string): Host | NameFailure {
    const answer = this.names?.answer(name) ?? NOT_BY_NAME;
    return typeof answer === 'string' ? this.#hostAt(answer, this.config.portOverride ?? this.config.port) : answer;
  }

  /** Tells the log why a handshake with `host` failed, at a bounded rate. */
  reportTlsFailure({ address }: Host, sentence: string): void {
    this.#report?.onTlsFailure(this.name, address, sentence, this.#deps.clock.now());
  }

  /** One more request ends with `status`, the upstream's answer or the one given in its place (Envoy: `chargeUpstreamCode`). */
  countAnswered(status: number): void {
    const { stats } = this;
    stats.upstreamRqCompleted++;
    if (status < 300) stats.upstreamRq2xx++;
    else if (status < 400) stats.upstreamRq3xx++;
    else if (status < 500) stats.upstreamRq4xx++;
    else stats.upstreamRq5xx++;
    const answered = (this.answered ??= new Map<number, number>());
    answered.set(status, (answered.get(status) ?? 0) + 1);
  }

  /** One more answer of `status` is followed by a retry. */
  countRetried(status: number): void {
    const retried = (this.retried ??= new Map<number, number>());
    retried.set(status, (retried.get(status) ?? 0) + 1);
  }

  /** About once a second: idle connections and unused original destinations end, overflow is reported. */
  sweep(now: number): void {
    if (!this.#used) return;
    this.#report?.sweep(this.config, this.stats, now);
    for (const host of this.#hosts.values()) host.sweep(now);
    this.#asked.sweep(now, this.#hosts);
  }

  /** The cluster left the configuration: idle connections close, busy ones after their response. */
  drain(): void {
    this.#stopWatching();
    for (const host of this.#hosts.values()) host.drain();
  }

  /** Ends every connection now. */
  destroy(): void {
    this.#stopWatching();
    for (const host of this.#hosts.values()) host.destroy();
  }

  #hostAt(address: string, port: number): Host {
    if (!this.#used) this.#applyEndpoints();
    return this.#asked.at(address, port, this.#hosts);
  }

  #poolSettings(): PoolSettings {
    return poolSettingsOf(this.config, { isOwn: this.#ownAddresses(), tls: this.#tls });
  }

  #createTls(): ClientTls | undefined {
    return this.config.tls.mode === 'DISABLE' ? undefined : this.#deps.clientTls?.(this.config.tls);
  }

  /** Endpoints that were written down may be this proxy's own inbound port; a destination that a request names may not. */
  #ownAddresses(): IsOwnListener | undefined {
    return this.isChosenByDownstream ? this.#deps.isOwnListener : undefined;
  }

  #applyEndpoints(): void {
    const { config } = this;
    this.#used = true;
    const before = this.#resolution;
    before?.stop();
    this.#resolution = undefined;
    this.names = config.discovery === 'DYNAMIC_DNS' ? (this.names ?? new AskedNames(this.#deps)) : undefined;
    if (this.isChosenByDownstream) {
      // Such hosts stay until nobody asks for them; whoever asks for one gets that one, so there is nothing to eject it in favour of.
      this.#detectOutliers();
      return;
    }
    if (config.discovery === 'STATIC') {
      this.#setHosts(config.endpoints);
      return;
    }
    const firstOnly = config.discovery === 'DNS_ROUND_ROBIN';
    this.#resolution = new Resolution(config.endpoints, firstOnly, this.#deps, (endpoints) => this.#setHosts(endpoints), before);
  }

  #setHosts(endpoints: readonly EndpointConfig[]): void {
    const next = new Map<string, Host>();
    let rebalance = this.#balancedBy !== this.config.loadBalancer;
    for (const endpoint of endpoints) {
      const key = hostAddress(endpoint);
      if (next.has(key)) continue;
      const host = this.#hosts.get(key) ?? this.#createHost(endpoint);
      rebalance ||= !weighsTheSame(host.endpoint, endpoint);
      if (host.endpoint.tlsMode !== endpoint.tlsMode) host.renew();
      host.endpoint = endpoint;
      host.weight = endpoint.weight;
      next.set(key, host);
    }
    if (!sameKeys(this.#hosts, next)) {
      this.stats.membershipChange++;
      rebalance = true;
    }
    for (const [key, host] of this.#hosts) if (!next.has(key)) host.drain();
    this.#asked.forget();
    this.#hosts = next;
    this.#detectOutliers();
    // Names are looked up again and again: an answer like the one before leaves turns and hash tables as they are.
    if (rebalance) this.#hostSet = this.#createHostSet([...next.values()]);
  }

  /** Brings the detector in line with the policy and the hosts there are. */
  #detectOutliers(): void {
    const policy = this.isChosenByDownstream ? undefined : this.config.outlierDetection;
    if (policy === undefined) {
      this.outlier?.returnAll();
      this.outlier = undefined;
      return;
    }
    if (this.outlier === undefined) this.outlier = new OutlierDetector(policy, { clock: this.#deps.clock, onEvent: (event) => this.#onOutlier(event) });
    else this.outlier.setPolicy(policy);
    this.outlier.setHosts(this.#hosts.values());
  }

  #onOutlier(event: OutlierEvent): void {
    if (event.kind !== 'kept') this.#hostSet.healthChanged();
    this.#report?.onOutlier(event, this.name);
  }

  #createHostSet(hosts: readonly Host[]): HostSet<Host> {
    const { clock, random } = this.#deps;
    this.#balancedBy = this.config.loadBalancer;
    return new HostSet(hosts, this.config.loadBalancer, { random, now: () => clock.now(), onPanic: () => this.stats.lbHealthyPanic++ });
  }

  #stopWatching(): void {
    this.#resolution?.stop();
    this.outlier?.stop();
  }

  #createHost(endpoint: EndpointConfig): Host {
    return new Host(endpoint, this.#hostDeps);
  }
}

/** Nothing that a balancer goes by has changed. */
function weighsTheSame(before: EndpointConfig, after: EndpointConfig): boolean {
  return before.weight === after.weight && before.priority === after.priority && before.locality === after.locality && before.localityWeight === after.localityWeight;
}

function sameKeys(before: ReadonlyMap<string, Host>, after: ReadonlyMap<string, Host>): boolean {
  if (before.size !== after.size) return false;
  for (const key of before.keys()) if (!after.has(key)) return false;
  return true;
}
