/**
 * Istio's standard metrics. A completed request finds its cells through the host that served it and adds to them:
 * labels are put together once per combination, never per request.
 */

import type { WorkloadConfig } from '../../../config/runtime/endpoint.ts';
import type { Direction } from '../../../config/runtime/listener.ts';
import type { NodeConfig } from '../../../config/runtime/runtime-config.ts';
import type { UpstreamClusterView } from '../../stream/stream-info.ts';
import type { Stream } from '../../stream/stream.ts';
import { grpcStatusOf, isGrpcRequest } from '../grpc-status.ts';
import { HISTOGRAM_SIZE, observe } from './histogram.ts';
import { identitiesOn, istioLabelValues, LABEL_NAMES, serviceOf, type Ends } from './istio-labels.ts';
import { TcpMetrics, type TcpSeries } from './tcp-metrics.ts';

/** What the stats pages read. */
export interface IstioSeriesSource {
  /** Of requests, in order of first use. */
  series(): Iterable<IstioSeries>;
  /** Of TCP connections. */
  tcpSeries(): Iterable<TcpSeries>;
}

export interface IstioMetrics extends IstioSeriesSource {
  /** Call once for each completed request or connection. What the codec refused is not counted: it never reaches Istio's filter either. */
  record(stream: Stream): void;
  /** A TCP connection goes on: counts its bytes up to now. */
  recordProgress(stream: Stream): void;
  /** This workload's own labels changed by a reload. */
  setNode(node: NodeConfig): void;
  /** Everything to zero; series stay. */
  reset(): void;
}

/** The cells of one combination of label values. */
export interface IstioSeries {
  /** One for each of LABEL_NAMES. */
  readonly labelValues: readonly string[];
  /** At REQUESTS the count; the histograms where ISTIO_HISTOGRAMS says. */
  readonly cells: Float64Array;
}

/** Where the count of requests is in `IstioSeries.cells`. */
export const REQUESTS = 0;
const DURATION = 1;
const REQUEST_BYTES = DURATION + HISTOGRAM_SIZE;
const RESPONSE_BYTES = REQUEST_BYTES + HISTOGRAM_SIZE;
const CELLS = RESPONSE_BYTES + HISTOGRAM_SIZE;

/** The histograms of a series: name of the metric, and where its cells begin. */
export const ISTIO_HISTOGRAMS = [
  { metric: 'istio_request_duration_milliseconds', offset: DURATION },
  { metric: 'istio_request_bytes', offset: REQUEST_BYTES },
  { metric: 'istio_response_bytes', offset: RESPONSE_BYTES },
] as const;

/**
 * Series at the most. Labels come from configuration, so a mesh has a few for each service it talks to; the bound is
 * for an upstream that answers with every status there is. Beyond it requests count in one series of unknowns.
 */
const SERIES_LIMIT = 50_000;

export function createIstioMetrics(node: NodeConfig): IstioMetrics {
  return new IstioRegistry(node);
}

/** Requests between the same two ends, their series found by outcome. */
interface EndsCells {
  readonly direction: Direction;
  readonly workload: WorkloadConfig;
  readonly service: UpstreamClusterView['service'];
  readonly ends: Ends;
  /** Other clients of the same end, by their workload, else by their identity. */
  clients: Map<WorkloadConfig | string, EndsCells> | undefined;
  readonly byOutcome: Map<number, IstioSeries>;
  /** The outcome seen last, and its cells: nearly always the next one too. */
  lastOutcome: number;
  lastCells: Float64Array;
}

/** Clients of one end that are found without putting their labels together; far more than a mesh's service has. */
const CLIENTS_LIMIT = 1000;

const NO_WORKLOAD: WorkloadConfig = {};
const NO_CELLS = new Float64Array(CELLS);

class IstioRegistry implements IstioMetrics {
  #node: NodeConfig;
  readonly #series: Map<string, IstioSeries> = new Map();
  /** By the host that served, else by the cluster that was chosen: both live as long as their configuration. */
  #byPeer: WeakMap<object, EndsCells> = new WeakMap();
  /** Requests that reached no cluster, by direction and name of the generated route. */
  #withoutCluster: Map<string | undefined, EndsCells>[] = [];
  readonly #tcp: TcpMetrics = new TcpMetrics();

  constructor(node: NodeConfig) {
    this.#node = node;
  }

  record(stream: Stream): void {
    const { info } = stream;
    if (stream.request.method === '') {
      if (stream.isTcp === true) this.#tcp.record(stream, true, this.#endsOfConnection);
      return;
    }
    const ends = this.#endsOf(stream);
    const outcome = outcomeOf(stream);
    const cells = outcome === ends.lastOutcome ? ends.lastCells : this.#cellsOf(ends, outcome, stream);
    cells[REQUESTS] = (cells[REQUESTS] as number) + 1;
    observe(cells, DURATION, info.endMs - info.startMs);
    observe(cells, REQUEST_BYTES, info.bytesReceived);
    observe(cells, RESPONSE_BYTES, info.bytesSent);
  }

  recordProgress(stream: Stream): void {
    this.#tcp.record(stream, false, this.#endsOfConnection);
  }

  setNode(node: NodeConfig): void {
    if (JSON.stringify(node) === JSON.stringify(this.#node)) return;
    this.#node = node;
    this.#byPeer = new WeakMap();
    this.#withoutCluster = [];
  }

  reset(): void {
    for (const series of this.#series.values()) series.cells.fill(0);
    this.#tcp.reset();
  }

  series(): Iterable<IstioSeries> {
    return this.#series.values();
  }

  tcpSeries(): Iterable<TcpSeries> {
    return this.#tcp.series();
  }

  readonly #endsOfConnection = (stream: Stream): Ends => {
    const { cluster, host } = stream.info;
    return this.#endsBetween(stream, host?.workload ?? NO_WORKLOAD, serviceOf(cluster, undefined));
  };

  #endsOf(stream: Stream): EndsCells {
    const { cluster, host } = stream.info;
    if (cluster === undefined) return this.#ofClient(this.#endsWithoutCluster(stream), stream);
    const workload = host === undefined ? NO_WORKLOAD : host.workload;
    const known = this.#byPeer.get(host ?? cluster);
    if (known !== undefined && known.service === cluster.service && known.workload === workload && known.direction === stream.direction) return this.#ofClient(known, stream);
    const created = this.#createEnds(stream, workload, cluster.service, serviceOf(cluster, undefined));
    this.#byPeer.set(host ?? cluster, created);
    return created;
  }

  /** The cells of the same ends for whoever this stream's certificates and metadata name: nearly always those of the stream before. */
  #ofClient(first: EndsCells, stream: Stream): EndsCells {
    if (isBetween(first.ends, stream)) return first;
    const { ends } = first;
    const key = stream.info.clientWorkload ?? identitiesOn(stream).peer ?? '';
    const clients = (first.clients ??= new Map());
    const known = clients.get(key);
    if (known !== undefined && isBetween(known.ends, stream)) return known;
    const created = this.#createEnds(stream, first.workload, first.service, ends.service);
    if (clients.size >= CLIENTS_LIMIT) clients.clear();
    clients.set(key, created);
    return created;
  }

  #endsWithoutCluster(stream: Stream): EndsCells {
    const byRoute = (this.#withoutCluster[DIRECTION_INDEX[stream.direction]] ??= new Map());
    const route = stream.route?.index === -1 ? stream.route.name : undefined;
    let ends = byRoute.get(route);
    if (ends === undefined) {
      const service = serviceOf(undefined, route);
      ends = this.#createEnds(stream, NO_WORKLOAD, service, service);
      byRoute.set(route, ends);
    }
    return ends;
  }

  #createEnds(stream: Stream, workload: WorkloadConfig, configured: EndsCells['service'], service: EndsCells['service']): EndsCells {
    const ends = this.#endsBetween(stream, workload, service);
    return { direction: stream.direction, workload, service: configured, ends, clients: undefined, byOutcome: new Map(), lastOutcome: -1, lastCells: NO_CELLS };
  }

  #endsBetween(stream: Stream, workload: WorkloadConfig, service: EndsCells['service']): Ends {
    return { direction: stream.direction, node: this.#node, identities: identitiesOn(stream), client: stream.info.clientWorkload, workload, service };
  }

  #cellsOf(ends: EndsCells, outcome: number, stream: Stream): Float64Array {
    let series = ends.byOutcome.get(outcome);
    if (series === undefined) {
      series = this.#seriesOf(ends.ends, stream);
      ends.byOutcome.set(outcome, series);
    }
    ends.lastOutcome = outcome;
    ends.lastCells = series.cells;
    return series.cells;
  }

  #seriesOf(ends: Ends, stream: Stream): IstioSeries {
    const full = this.#series.size >= SERIES_LIMIT;
    const labelValues = full ? overflowLabels(ends.direction) : labelValuesOf(ends, stream);
    const key = labelValues.join('\0');
    let series = this.#series.get(key);
    if (series === undefined) {
      series = { labelValues, cells: new Float64Array(CELLS) };
      this.#series.set(key, series);
    }
    return series;
  }
}

/** Plain text after plain text costs two comparisons. */
function isBetween({ identities, client }: Ends, stream: Stream): boolean {
  if (client !== stream.info.clientWorkload) return false;
  const now = identitiesOn(stream);
  return now === identities || (now.mutual === identities.mutual && now.own === identities.own && now.peer === identities.peer);
}

const DIRECTION_INDEX: Readonly<Record<Direction, number>> = { outbound: 0, inbound: 1, gateway: 2 };

/** Flags, gRPC status and code in one number: the key of a series between two ends. */
function outcomeOf(stream: Stream): number {
  const { info } = stream;
  const grpc = isGrpcRequest(stream) ? grpcStatusOf(stream) + 2 : 0;
  return (info.flags * 32 + grpc) * 1024 + codeOf(stream);
}

/** What a codec lets through as a status is three digits; a metric has no room for more than HTTP's. */
function codeOf(stream: Stream): number {
  const code = stream.info.responseCode;
  return code >= 100 && code <= 599 ? code : 0;
}

function labelValuesOf(ends: Ends, stream: Stream): readonly string[] {
  return istioLabelValues(ends, {
    code: codeOf(stream),
    flags: stream.info.flags,
    protocol: isGrpcRequest(stream) ? 'grpc' : 'http',
    grpcStatus: grpcStatusOf(stream),
  });
}

function overflowLabels(direction: Direction): readonly string[] {
  const reporter = direction === 'inbound' ? 'destination' : 'source';
  return LABEL_NAMES.map((name) => (name === 'reporter' ? reporter : 'unknown'));
}
