/** What outlier detection is told of each attempt; the detector itself is outlier-detector.ts. */

import type { Host } from './host.ts';

/** A failure this side saw, no answer having come. */
export type LocalOriginFailure = 'connect_failure' | 'connect_timeout' | 'reset' | 'timeout';

/** Told once for each attempt that reached a host; overflow is not told (Envoy). */
export interface OutlierSink {
  /** The status of an answer, or the HTTP status that a gRPC call's grpc-status stands for. */
  onResponse(host: Host, status: number): void;
  /** The attempt failed without an answer. */
  onLocalFailure(host: Host, failure: LocalOriginFailure): void;
}
