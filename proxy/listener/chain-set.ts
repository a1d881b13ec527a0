/** The filter chains of one listener at work: what matches, what terminates TLS, and who speaks then. Changed by reloads, chain by chain. */

import type { FilterChainConfig } from '../../config/runtime/filter-chain.ts';
import type { ListenerConfig } from '../../config/runtime/listener.ts';
import type { ServerTlsConfig } from '../../config/runtime/tls.ts';
import { DomainMap } from '../base/domain-map.ts';
import { HttpListener } from '../http/http-listener.ts';
import type { HttpDeps, StreamListener } from '../http/stream-listener.ts';
import type { ServerTls } from '../identity/server-tls.ts';
import type { Runtime } from '../router/runtime.ts';
import type { Destination } from '../stream/connection-facts.ts';
import { TcpProxy } from '../tcp/tcp-proxy.ts';
import type { ListenerStats } from '../telemetry/stats.ts';
import { FilterChainMatcher, type Candidates } from './filter-chain-match.ts';

export interface ChainDeps {
  /** The bound listener whose connections these chains take. */
  readonly listener: ListenerConfig;
  readonly runtime: Runtime;
  readonly http: HttpDeps;
  /** Shared by all chains of a listener. */
  readonly stats: ListenerStats;
  readonly terminate: (config: ServerTlsConfig) => ServerTls;
}

/** One chain; `http` or `tcp` is present by the kind of its network configuration, neither for a chain that closes. */
export interface LiveChain {
  config: FilterChainConfig;
  readonly tls: ServerTls | undefined;
  readonly http: HttpListener | undefined;
  readonly tcp: TcpProxy | undefined;
}

export interface ChainsConfig {
  readonly chains?: readonly FilterChainConfig[];
  readonly defaultChain?: FilterChainConfig;
}

export class ChainSet {
  readonly #deps: ChainDeps;
  #chains: Map<string, LiveChain> = new Map();
  #matcher: FilterChainMatcher<LiveChain> = new FilterChainMatcher();
  #default: LiveChain | undefined;
  /** Which TLS chain a host belongs to. */
  #hosts: DomainMap<LiveChain> = new DomainMap();
  /** Those chains do not all ask clients for the same certificates. */
  #clientsDiffer = false;

  constructor(deps: ChainDeps, config: ChainsConfig) {
    this.#deps = deps;
    this.apply(config);
  }

  /** New connections go by `config` from now on. Returns the chains that are gone or changed: their connections should end. */
  apply({ chains = [], defaultChain }: ChainsConfig): readonly LiveChain[] {
    const before = this.#chains;
    const next = new Map<string, LiveChain>();
    const matcher = new FilterChainMatcher<LiveChain>();
    const hosts = new DomainMap<LiveChain>();
    const clientRules = new Set<string>();
    for (const config of chains) {
      const chain = this.#keepOrCreate(config);
      next.set(config.name, chain);
      matcher.add(config.match, chain, config.tls !== undefined);
      if (config.tls === undefined) continue;
      clientRules.add(clientRulesOf(config.tls));
      for (const name of config.match.serverNames ?? []) hosts.set(name, chain);
    }
    this.#default = defaultChain === undefined ? undefined : this.#keepOrCreate(defaultChain);
    if (this.#default !== undefined) next.set(this.#default.config.name, this.#default);
    this.#chains = next;
    this.#matcher = matcher;
    this.#hosts = hosts;
    this.#clientsDiffer = clientRules.size > 1;
    return [...before.values()].filter((chain) => next.get(chain.config.name) !== chain);
  }

  /** The default chain takes what has no candidates, and what matches none of them. */
  get defaultChain(): LiveChain | undefined {
    return this.#default;
  }

  live(): Iterable<LiveChain> {
    return this.#chains.values();
  }

  /** `destination` is asked for only where chains differ by it. */
  candidates(destination: () => Destination): Candidates<LiveChain> | undefined {
    return this.#matcher.ignoresDestination ? this.#matcher.anyDestination : this.#matcher.candidates(destination());
  }

  #keepOrCreate(config: FilterChainConfig): LiveChain {
    const known = this.#chains.get(config.name);
    if (known === undefined || identityOf(known.config) !== identityOf(config)) return this.#create(config);
    known.config = config;
    if (known.http !== undefined) known.http.config = this.#httpConfig(config);
    return known;
  }

  #create(config: FilterChainConfig): LiveChain {
    const { runtime, http, stats, listener, terminate } = this.#deps;
    const { network } = config;
    const tls = config.tls && terminate(config.tls);
    if (network.kind === 'http') {
      const isMisdirected = config.tls && this.#misdirection(config.name, config.tls);
      return { config, tls, http: new HttpListener(this.#httpConfig(config), runtime, http, { stats, ...(isMisdirected && { isMisdirected }) }), tcp: undefined };
    }
    if (network.kind === 'close') return { config, tls, http: undefined, tcp: undefined };
    const { clock, random, onComplete, isOwnListener, tcpConnections } = http;
    return { config, tls, http: undefined, tcp: new TcpProxy(network.route, { clock, random, runtime, onComplete, isOwnListener, direction: listener.direction, connections: tcpConnections }) };
  }

  /** An HTTP chain is a listener of its own to its streams; chains of it they never see. */
  #httpConfig({ network, origin }: FilterChainConfig): ListenerConfig {
    const { name, direction, bind, routing, http } = this.#deps.listener;
    const own = network.kind === 'http' ? { routing: network.routing, http: network.http } : { routing, http };
    return { name, direction, bind, ...own, ...(origin && { origin }) };
  }

  /**
   * Whether a host is another chain's, and not this one's (RFC 9110 section 15.5.20). A wildcard's routes reach hosts of other
   * chains too, which is fine unless those let in only clients whose certificate this chain has not seen (domain fronting).
   */
  #misdirection(name: string, tls: ServerTlsConfig): StreamListener['isMisdirected'] {
    const own = clientRulesOf(tls);
    return (authority, isRouted) => {
      if (isRouted && !this.#clientsDiffer) return false;
      const owner = this.#hosts.lookup(withoutPort(authority))?.config;
      if (owner?.tls === undefined || owner.name === name) return false;
      return !isRouted || (owner.tls.clientCertificate !== 'none' && clientRulesOf(owner.tls) !== own);
    };
  }
}

/** What decides which clients are let in. */
export function clientRulesOf({ clientCertificate, trust, subjectAltNames, publicKeyHashes, certificateHashes, trustDomains, acceptUnverified }: ServerTlsConfig): string {
  return clientCertificate === 'none' ? 'none' : JSON.stringify([clientCertificate, trust, subjectAltNames, publicKeyHashes, certificateHashes, trustDomains, acceptUnverified]);
}

/**
 * What makes a chain the same one after a reload: everything but where it was written, and the tables of by-port routing, which
 * grow with every port of the mesh.
 */
function identityOf(config: FilterChainConfig): string {
  return JSON.stringify(config, (key, value: unknown) => (key === 'origin' || key === 'tables' ? undefined : value));
}

function withoutPort(authority: string): string {
  return authority.replace(/:\d*$/, '');
}
