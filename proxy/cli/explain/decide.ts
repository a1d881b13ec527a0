/** Walks one request through the data path's own decisions without sending anything. */

import { isDeepStrictEqual } from 'node:util';
import type { CompileTrace } from '../../../config/compile/trace.ts';
import type { Snapshot } from '../../../config/load/types.ts';
import type { ClusterConfig } from '../../../config/runtime/cluster.ts';
import type { EndpointConfig } from '../../../config/runtime/endpoint.ts';
import type { TcpRouteConfig } from '../../../config/runtime/filter-chain.ts';
import type { ListenerConfig } from '../../../config/runtime/listener.ts';
import type { RouteConfig } from '../../../config/runtime/route.ts';
import type { RuntimeConfig } from '../../../config/runtime/runtime-config.ts';
import { ABSOLUTE_PATH_REJECTED, CONNECT_NOT_FOUND, isGrpc, MISDIRECTED, PATH_NORMALIZATION_FAILED, ROUTE_NOT_FOUND } from '../../http/local-replies.ts';
import { normalizePath } from '../../http/normalize.ts';
import { applyRequestHeaders } from '../../http/request-headers.ts';
import { authorityHost } from '../../base/authority.ts';
import { hostOf, nameAsked, prepareUpstreamHead } from '../../router/choose-upstream.ts';
import type { LiveDestination, LiveRoute } from '../../router/live-route.ts';
import { httpsRedirectLocation, redirectLocation, redirectReply } from '../../router/redirect.ts';
import { destinationPort, routeTable } from '../../router/runtime.ts';
import type { Runtime } from '../../router/runtime.ts';
import { NO_CLUSTER } from '../../router/upstream-reply.ts';
import type { VirtualHost } from '../../router/virtual-host.ts';
import type { LocalReply } from '../../stream/local-reply.ts';
import { StreamInfo } from '../../stream/stream-info.ts';
import type { RequestHead, Stream } from '../../stream/stream.ts';
import { clusterNamedBySni } from '../../tcp/sni-cluster.ts';
import { Cluster } from '../../upstream/cluster.ts';
import { Host } from '../../upstream/host.ts';
import type { AskedRequest } from './asked-request.ts';
import { chooseConnection } from './connection.ts';
import type { ChosenConnection } from './connection.ts';
import { explainAutoTls } from './endpoint-tls.ts';
import { explainReply } from './explained-response.ts';
import type { ExplainedDestination, ExplainedResponse, Explanation, PolicyName, TriedRoute } from './explanation.ts';
import { explainClusterPolicies, explainPolicies } from './policies.ts';
import { createRuntime, STILL } from './still-runtime.ts';

export interface ExplainInput {
  readonly config: RuntimeConfig;
  readonly snapshot: Snapshot;
  readonly trace: CompileTrace;
}

/** Where the request wants to go: port, and the host name that the upstream gets to see. */
interface Asked {
  readonly port: number;
  readonly name: string;
}

export function explainRequest(asked: AskedRequest, input: ExplainInput): Explanation {
  const listener = findListener(asked, input.config);
  if (listener === undefined) return nothingListens(asked, input);
  const connection = chooseConnection(asked, listener, input);
  const walk = new Walk(asked.head, connection, input);
  return connection.end === undefined ? walk.explain(asked.seen) : walk.explainEnd(connection.end, asked);
}

/** Sidecar: where applications' requests are captured. Gateway: the server of the URL's port, or the only one where no port is written. */
function findListener({ connectPort, portWritten }: AskedRequest, { node, listeners }: RuntimeConfig): ListenerConfig | undefined {
  if (node.mode === 'sidecar') return listeners.find(({ name }) => name === 'virtualOutbound');
  const served = listeners.find(({ declaredPort }) => declaredPort === connectPort) ?? listeners.find(({ bind }) => bind.port === connectPort);
  return served ?? (portWritten || listeners.length !== 1 ? undefined : listeners[0]);
}

function nothingListens({ head, connectPort }: AskedRequest, { config, snapshot, trace }: ExplainInput): Explanation {
  return {
    ...basics(head, config),
    listener: null,
    destinationPort: { port: connectPort, because: 'written in the URL, or what its scheme means' },
    response: { status: 0, flag: '-', details: `nothing listens on port ${connectPort}` },
    policies: explainPolicies({ route: undefined, cluster: undefined }, snapshot, trace),
  };
}

function basics({ method, authority, path, scheme }: RequestHead, { node }: RuntimeConfig): Omit<Explanation, 'listener' | 'destinationPort' | 'response' | 'policies'> {
  return {
    request: { method, authority, path, scheme },
    workload: { mode: node.mode, namespace: node.namespace, name: node.name },
    routeTable: null,
    virtualHost: null,
    virtualService: null,
    route: null,
    destinations: [],
    tried: [],
    skipped: [],
    upstreamRequest: null,
  };
}

/** One request at one listener; the steps are those of the data path, in its order. */
class Walk {
  readonly #head: RequestHead;
  readonly #connection: ChosenConnection;
  readonly #listener: ListenerConfig;
  readonly #input: ExplainInput;
  readonly #runtime: Runtime;

  constructor(head: RequestHead, connection: ChosenConnection, input: ExplainInput) {
    this.#head = head;
    this.#connection = connection;
    this.#listener = connection.listener;
    this.#input = input;
    this.#runtime = createRuntime(input.config);
  }

  explain(seen: number): Explanation {
    const { routing, http } = this.#listener;
    const asked = { ...this.#head };
    const refusal = this.#refusal();
    const path = refusal === undefined ? normalizePath(this.#head.path, http.pathNormalization) : this.#head.path;
    if (path !== undefined) this.#head.path = path;
    applyRequestHeaders(this.#head, seen, { remoteIp: '127.0.0.1', isSecure: this.#connection.isSecure }, http);
    const port = destinationPort(routing, this.#head.authority, this.#runtime);
    const table = routeTable(routing, port, this.#runtime);
    const virtualHost = table?.lookup(this.#head.authority);
    const found = {
      ...basics({ ...this.#head, path: asked.path }, this.#input.config),
      ...this.#entrance(),
      destinationPort: { port, because: this.#whyPort() },
      routeTable: table?.name ?? null,
      virtualHost: virtualHost === undefined ? null : { name: virtualHost.config.name, domain: table?.matchedDomain(this.#head.authority) ?? '', source: virtualHost.config.origin ?? null },
    };
    const early = refusal ?? (path === undefined ? PATH_NORMALIZATION_FAILED : undefined);
    if (early !== undefined) return { ...found, response: this.#answer(early), policies: this.#policies(undefined, undefined) };
    const isMisdirected = this.#connection.isMisdirected(this.#head.authority, virtualHost !== undefined);
    if (virtualHost === undefined || isMisdirected) return { ...found, response: this.#answer(isMisdirected ? MISDIRECTED : ROUTE_NOT_FOUND), policies: this.#policies(undefined, undefined) };
    return { ...found, ...this.#explainHost(virtualHost, port) };
  }

  /** Nobody reads a request: bytes go by a TCP route, or the connection is refused. */
  explainEnd(end: NonNullable<ChosenConnection['end']>, { connectPort }: AskedRequest): Explanation {
    const found = { ...basics(this.#head, this.#input.config), ...this.#entrance(), destinationPort: { port: connectPort, because: "the listener's own" } };
    if (end.kind === 'refused') return { ...found, response: end.response, policies: this.#policies(undefined, undefined) };
    const { route } = end;
    const written = tcpDestinations(route, this.#connection.explained?.serverName ?? '');
    const destinations = written.map((destination) => this.#explainDestination(destination, { port: connectPort, name: destination.host }));
    const [heaviest] = [...destinations].sort((a, b) => b.weight - a.weight);
    const failures = destinations.map(({ failure }) => failure);
    const unreachable = failures.every((failure) => failure !== null) ? (failures[0] ?? this.#answer(NO_CLUSTER)) : null;
    return {
      ...found,
      virtualService: route.virtualService ?? null,
      route: { index: -1, name: route.name, file: route.origin?.file ?? null, line: route.origin?.line ?? null },
      destinations,
      response: unreachable === null ? null : { status: 0, flag: unreachable.flag, details: unreachable.details },
      policies: this.#policies(undefined, heaviest === undefined ? undefined : this.#input.config.clusters[heaviest.cluster]),
    };
  }

  #entrance(): Pick<Explanation, 'listener' | 'connection'> {
    const { name, bind, origin } = this.#listener;
    const { explained } = this.#connection;
    return { listener: { name, ...bind, source: origin ?? null }, ...(explained !== undefined && { connection: explained }) };
  }

  #refusal(): LocalReply | undefined {
    if (this.#head.method === 'CONNECT') return CONNECT_NOT_FOUND;
    return this.#head.path.startsWith('/') ? undefined : ABSOLUTE_PATH_REJECTED;
  }

  #whyPort(): string {
    const { routing } = this.#listener;
    if (routing.kind === 'table') return "the listener's own";
    if (/:\d+$/.test(this.#head.authority)) return 'written in the Host';
    return this.#runtime.portless.lookup(this.#head.authority) === undefined ? "HTTP's default" : 'the only HTTP port of the service';
  }

  #explainHost(virtualHost: VirtualHost<LiveRoute>, port: number): Pick<Explanation, 'virtualService' | 'route' | 'destinations' | 'response' | 'tried' | 'skipped' | 'upstreamRequest' | 'policies'> {
    const { config } = virtualHost;
    const skipped = (config.skipped ?? []).map(({ route, reason, origin }) => ({ route, reason, source: origin }));
    const none = { virtualService: config.virtualService, route: null, destinations: [], tried: [], skipped, upstreamRequest: null };
    if (config.requireTls === true && this.#head.scheme !== 'https') {
      return { ...none, response: this.#answer(redirectReply(301, httpsRedirectLocation(this.#head))), policies: this.#policies(undefined, undefined) };
    }
    const tried = this.#tried(virtualHost);
    const live = virtualHost.match(this.#head);
    if (live === undefined) return { ...none, tried, response: this.#answer(ROUTE_NOT_FOUND), policies: this.#policies(undefined, undefined) };
    const { index, name, origin, virtualService } = live.config;
    const route = { index, name, file: origin?.file ?? null, line: origin?.line ?? null };
    return { virtualService: virtualService ?? null, route, tried, skipped, ...this.#explainAction(live, port) };
  }

  #tried(virtualHost: VirtualHost<LiveRoute>): readonly TriedRoute[] {
    return virtualHost.explain(this.#head).map(({ route: name, index, matched, failed }, position) => {
      const route = virtualHost.config.routes[position];
      const place = (route === undefined ? undefined : this.#input.trace.routes.get(route)?.label) ?? null;
      return { route: name === '' ? (place ?? '') : name, place, matched, ...(failed !== undefined && { failed }), index, source: route?.origin ?? null };
    });
  }

  #explainAction(live: LiveRoute, port: number): Pick<Explanation, 'destinations' | 'response' | 'upstreamRequest' | 'policies'> {
    const { config: route } = live;
    const { action } = route;
    const filtered = live.filters?.runRequest(this.#stream(live, this.#head));
    if (filtered !== undefined && !(filtered instanceof Promise)) return { destinations: [], response: this.#answer(filtered), upstreamRequest: null, policies: this.#policies(route, undefined) };
    if (action.kind !== 'forward') {
      const reply = action.kind === 'redirect' ? redirectReply(action.status, redirectLocation(action, this.#head, port)) : live.directReply;
      return { destinations: [], response: reply === undefined ? null : this.#answer(reply), upstreamRequest: null, policies: this.#policies(route, undefined) };
    }
    const destinations = action.destinations.map((destination, index) => this.#explainDestination(destination, { port, name: nameAsked(this.#head, live, live.destinations[index] as LiveDestination) }));
    const failures = destinations.filter(({ weight }) => weight > 0 || destinations.length === 1).map(({ failure }) => failure);
    const heaviest = [...destinations].sort((a, b) => b.weight - a.weight)[0];
    const response = failures.every((failure) => failure !== null) ? (failures[0] ?? null) : null;
    const policies = this.#policies(route, heaviest === undefined ? undefined : this.#input.config.clusters[heaviest.cluster]);
    return {
      destinations: destinations.map((destination) => ({ ...destination, ...this.#policiesApart(destination, policies) })),
      response,
      upstreamRequest: response === null ? this.#upstreamRequest(live) : null,
      policies,
    };
  }

  /** What is otherwise for this destination than what is told for all. */
  #policiesApart({ cluster: name }: ExplainedDestination, told: Explanation['policies']): Pick<ExplainedDestination, 'policies'> {
    const cluster = this.#input.config.clusters[name];
    if (cluster === undefined) return {};
    const apart = Object.entries(explainClusterPolicies(cluster, this.#input.trace)).filter(([policy, explained]) => !isDeepStrictEqual(explained, told[policy as PolicyName]));
    return apart.length === 0 ? {} : { policies: Object.fromEntries(apart) };
  }

  #explainDestination({ cluster: name, weight, host, port, subset }: { readonly cluster: string; readonly weight: number; readonly host: string; readonly port: number; readonly subset: string }, asked: Asked): ExplainedDestination {
    const cluster = this.#input.config.clusters[name];
    const known = { host, port, subset, weight, cluster: name };
    if (cluster === undefined) return { ...known, endpoints: [], workloads: [], discovery: null, failure: this.#answer(NO_CLUSTER) };
    if (cluster.discovery === 'ORIGINAL_DST') {
      const host = hostOf(new Cluster(cluster, STILL), { destinationAsked: { address: authorityHost(this.#head.authority), port: asked.port } });
      return { ...known, endpoints: host instanceof Host ? [host.address] : [], workloads: [''], discovery: cluster.discovery, failure: host instanceof Host ? null : this.#answer(host) };
    }
    if (cluster.discovery === 'DYNAMIC_DNS') {
      return { ...known, endpoints: [endpointText(asked.name, cluster.portOverride ?? cluster.port)], workloads: [''], discovery: cluster.discovery, failure: null };
    }
    const failure = unreachable(cluster);
    const tls = explainAutoTls(cluster);
    return {
      ...known,
      endpoints: cluster.endpoints.map((endpoint) => endpointText(endpoint.address, endpoint.port)),
      workloads: cluster.endpoints.map(({ workload }) => workload.name ?? workload.canonicalService ?? ''),
      ...placesOf(cluster.endpoints),
      ...(tls !== undefined && { tls }),
      discovery: cluster.discovery,
      failure: failure === null ? null : this.#answer(failure),
    };
  }

  #answer(reply: LocalReply): ExplainedResponse {
    return explainReply(reply, isGrpc(this.#head.headers.get('content-type')));
  }

  /** The data path's header operations and rewrites on a copy; with several destinations, as for the first. */
  #upstreamRequest(live: LiveRoute): Explanation['upstreamRequest'] {
    const [destination] = live.destinations;
    if (destination === undefined) return null;
    const request: RequestHead = { ...this.#head, headers: this.#head.headers.clone() };
    prepareUpstreamHead(request, live, destination, this.#stream(live, request), undefined);
    return { path: request.path, authority: request.authority };
  }

  #stream(live: LiveRoute, request: RequestHead): Stream {
    return { request, response: undefined, info: new StreamInfo(), direction: this.#listener.direction, route: live.config };
  }

  #policies(route: RouteConfig | undefined, cluster: ClusterConfig | undefined): Explanation['policies'] {
    return explainPolicies({ route, cluster }, this.#input.snapshot, this.#input.trace);
  }
}

/** Those written, or the one that a sidecar's server name asks for. */
function tcpDestinations({ destinations, clusterFromSni }: TcpRouteConfig, serverName: string): TcpRouteConfig['destinations'] {
  if (clusterFromSni === undefined) return destinations;
  const cluster = clusterNamedBySni(serverName, clusterFromSni.hosts);
  const [, port = '0', subset = '', host = ''] = /^outbound_\.(\d+)_\.([^_]*)_\.(.+)$/.exec(cluster ?? '') ?? [];
  return cluster === undefined ? [] : [{ cluster, weight: 100, host, port: Number(port), subset }];
}

/** What tells endpoints apart when one is picked, beside their load. */
function placesOf(endpoints: readonly EndpointConfig[]): Pick<ExplainedDestination, 'localities' | 'priorities' | 'localityWeights'> {
  const differ = (values: readonly unknown[]): boolean => values.some((value) => value !== values[0]);
  const localities = endpoints.map(({ locality }) => locality);
  const priorities = endpoints.map(({ priority = 0 }) => priority);
  const weights = endpoints.map(({ localityWeight = 0 }) => localityWeight);
  return {
    ...(differ(localities) && { localities }),
    ...(differ(priorities) && { priorities }),
    ...(weights.some((weight) => weight > 0) && { localityWeights: weights }),
  };
}

/** What a picked cluster answers where it has no host to give; names are not resolved to find out. */
function unreachable(cluster: ClusterConfig): LocalReply | null {
  if (cluster.discovery !== 'STATIC') return null;
  const outcome = hostOf(new Cluster(cluster, STILL), { destinationAsked: { address: '', port: 0 } });
  return outcome instanceof Host ? null : outcome;
}

function endpointText(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
