/** One request and its response: what filters, router and telemetry see of it. Types only. */

import type { RouteConfig } from '../../config/runtime/route.ts';
import type { Direction } from '../../config/runtime/listener.ts';
import type { HeaderList } from './header-list.ts';
import type { StreamInfo } from './stream-info.ts';

export interface RequestHead {
  method: string;
  /** Normalised path with query: what is matched, logged and sent upstream. */
  path: string;
  /** Path as the downstream sent it when a rewrite changed it (x-envoy-original-path). */
  originalPath: string | undefined;
  /** Host or :authority as sent, port included, lower case. */
  authority: string;
  scheme: string;
  headers: HeaderList;
}

export interface ResponseHead {
  status: number;
  headers: HeaderList;
}

/** What filters count for the listener a stream came in by; Envoy's `http.<prefix>.fault.*`. */
export interface FilterCounters {
  faultDelaysInjected: number;
  faultAbortsInjected: number;
  /** Streams that were given a fault and have not completed. */
  faultActiveFaults: number;
}

export interface Stream {
  readonly request: RequestHead;
  /** Undefined until the response head is known. */
  response: ResponseHead | undefined;
  readonly info: StreamInfo;
  readonly direction: Direction;
  /** Set once routing is done; undefined for a request that matched none. */
  route: RouteConfig | undefined;
  /** A TCP connection: there are neither request nor response. Absent: HTTP. */
  readonly isTcp?: true;
  /** Undefined where nobody counts. */
  readonly counters?: FilterCounters | undefined;
}
