/** What outlier detection is told of each attempt; the detector itself is outlier-detector.ts. */

import type { LocalOriginFailure } from './ejection.ts';
import type { Host } from './host.ts';

export type { LocalOriginFailure } from './ejection.ts';

/** Told once for each attempt that reached a host; overflow is not told (Envoy). */
export interface OutlierSink {
  /**
   * The attempt has a connection, new or out of the pool. With the split of local-origin failures that is the success which
   * ends a row of them, so a reset or a timeout behind it is the first of a new row (Envoy, seen).
   */
  onConnected(host: Host): void;
  /** A byte tunnel has its connection; no answer will be told. */
  onTunnel(host: Host): void;
  /** The status of an answer, or the HTTP status that a gRPC call's grpc-status stands for. */
  onResponse(host: Host, status: number): void;
  /** The attempt failed without an answer. */
  onLocalFailure(host: Host, failure: LocalOriginFailure): void;
}
