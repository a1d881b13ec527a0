/** Istio's standard TCP metrics: a connection counts under the labels it had when it was first told of, bytes since the last time. */

import type { Stream } from '../../stream/stream.ts';
import { TCP_LABEL_NAMES, tcpLabelValues, type Ends } from './istio-labels.ts';

/** The cells of one combination of label values. */
export interface TcpSeries {
  /** One for each of TCP_LABEL_NAMES. */
  readonly labelValues: readonly string[];
  /** At the offsets of TCP_METRICS. */
  readonly cells: Float64Array;
}

const OPENED = 0;
const CLOSED = 1;
const SENT = 2;
const RECEIVED = 3;

/** Sent is what went to the client, received what came from it. */
export const TCP_METRICS = [
  { metric: 'istio_tcp_connections_opened_total', offset: OPENED },
  { metric: 'istio_tcp_connections_closed_total', offset: CLOSED },
  { metric: 'istio_tcp_sent_bytes_total', offset: SENT },
  { metric: 'istio_tcp_received_bytes_total', offset: RECEIVED },
] as const;

const CELLS = TCP_METRICS.length;

/** Beyond them connections count in one series of unknowns, for each direction. */
const SERIES_LIMIT = 10_000;

/** What is counted already of a connection that goes on. */
interface Meter {
  readonly cells: Float64Array;
  sent: number;
  received: number;
}

export class TcpMetrics {
  readonly #series: Map<string, TcpSeries> = new Map();
  readonly #open: WeakMap<Stream, Meter> = new WeakMap();

  /** A connection goes on, or has ended; `endsOf` is asked once for each. */
  record(stream: Stream, ended: boolean, endsOf: (stream: Stream) => Ends): void {
    const { bytesSent, bytesReceived } = stream.info;
    let meter = this.#open.get(stream);
    if (meter === undefined) {
      meter = { cells: this.#cellsOf(endsOf(stream), stream.info.flags), sent: 0, received: 0 };
      add(meter.cells, OPENED, 1);
      if (!ended) this.#open.set(stream, meter);
    }
    add(meter.cells, SENT, bytesSent - meter.sent);
    add(meter.cells, RECEIVED, bytesReceived - meter.received);
    meter.sent = bytesSent;
    meter.received = bytesReceived;
    if (!ended) return;
    add(meter.cells, CLOSED, 1);
    this.#open.delete(stream);
  }

  reset(): void {
    for (const series of this.#series.values()) series.cells.fill(0);
  }

  series(): Iterable<TcpSeries> {
    return this.#series.values();
  }

  #cellsOf(ends: Ends, flags: number): Float64Array {
    const labelValues = this.#series.size >= SERIES_LIMIT ? overflowLabels(ends) : tcpLabelValues(ends, flags);
    const key = labelValues.join('\0');
    let series = this.#series.get(key);
    if (series === undefined) {
      series = { labelValues, cells: new Float64Array(CELLS) };
      this.#series.set(key, series);
    }
    return series.cells;
  }
}

function add(cells: Float64Array, offset: number, count: number): void {
  cells[offset] = (cells[offset] as number) + count;
}

function overflowLabels({ direction }: Ends): readonly string[] {
  return TCP_LABEL_NAMES.map((name) => (name === 'reporter' ? (direction === 'inbound' ? 'destination' : 'source') : 'unknown'));
}
