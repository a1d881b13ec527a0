/** Facts collected while a stream lives; access log and metrics read them when it completes. */

import type { WorkloadConfig } from '../../config/runtime/endpoint.ts';
import type { Origin } from '../../config/runtime/origin.ts';
import type { ConnectionSecurity } from './connection-security.ts';

/** The upstream side as telemetry names it: bound once per cluster, not per request. */
export interface UpstreamClusterView {
  readonly name: string;
  readonly service: { readonly host: string; readonly name: string; readonly namespace: string };
}

export interface UpstreamHostView {
  /** `10.0.0.1:9080`. */
  readonly address: string;
  readonly workload: WorkloadConfig;
}

/** Addresses of a downstream connection, `10.0.0.1:41234`, `[::1]:80`. */
export interface DownstreamAddresses {
  readonly localAddress: string;
  readonly remoteAddress: string;
}

/** Of ConnectionFacts. */
interface InspectedConnection {
  readonly security: ConnectionSecurity | undefined;
  readonly requestedServerName: string | undefined;
  readonly filterChain: string | undefined;
}

export class StreamInfo {
  /** Wall clock, milliseconds since the epoch, when the first byte of the request head arrived. */
  startTimeMs = 0;
  /** Monotonic milliseconds at the same moment; durations are differences of these. */
  startMs = 0;
  /** Monotonic milliseconds when the last byte of the request was read; -1 while incomplete. */
  requestCompleteMs = -1;
  /** Monotonic milliseconds when the upstream's response head arrived; -1 without one. */
  responseHeadMs = -1;
  /** Monotonic milliseconds when the stream completed. */
  endMs = 0;
  /** Body bytes, framing excluded. */
  bytesReceived = 0;
  bytesSent = 0;
  /** Status sent downstream; 0 when the downstream left before one was sent. */
  responseCode = 0;
  /** ResponseFlag bits. */
  flags = 0;
  /** `via_upstream`, `route_not_found`, … */
  details = '';
  connectionTerminationDetails: string | undefined = undefined;
  transportFailureReason: string | undefined = undefined;
  /** The same in a plain sentence, where TLS with the upstream failed: which check did. */
  transportFailureSentence: string | undefined = undefined;
  /** %PROTOCOL%: `HTTP/1.1`, `HTTP/1.0`, `HTTP/2`. */
  protocol = 'HTTP/1.1';
  routeName: string | undefined = undefined;
  routeOrigin: Origin | undefined = undefined;
  virtualHost: string | undefined = undefined;
  cluster: UpstreamClusterView | undefined = undefined;
  host: UpstreamHostView | undefined = undefined;
  /** Hosts of the attempts before the last, in order; undefined without a retry. */
  triedHosts: readonly UpstreamHostView[] | undefined = undefined;
  /** The upstream connection; who prints its local address asks for it. */
  upstreamConnection: { readonly localAddress: string | undefined } | undefined = undefined;
  /** The downstream connection; its addresses cost a system call each, so only who prints them asks. */
  downstream: DownstreamAddresses | undefined = undefined;
  /** Client's IP as x-forwarded-for gives it, where that is believed. */
  forwardedAddress: string | undefined = undefined;
  requestedServerName: string | undefined = undefined;
  /** The filter chain that took the connection, where the listener has any. */
  filterChain: string | undefined = undefined;
  /** TLS with the downstream; undefined in plain text. */
  downstreamSecurity: ConnectionSecurity | undefined = undefined;
  /** The client as its sidecar describes it; only of an inbound client whose certificate was verified. */
  clientWorkload: WorkloadConfig | undefined = undefined;
  /** TLS with the host of the last attempt. */
  upstreamSecurity: ConnectionSecurity | undefined = undefined;
  /** Value of x-envoy-upstream-service-time on the response, milliseconds; -1 without one. */
  upstreamServiceTimeMs = -1;
  attemptCount = 0;

  /** What the listener found out about the connection before it was served. */
  takeConnection({ security, requestedServerName, filterChain }: InspectedConnection): void {
    this.downstreamSecurity = security;
    this.requestedServerName = requestedServerName;
    this.filterChain = filterChain;
  }

  /** `10.0.0.9:41234`. */
  get upstreamLocalAddress(): string | undefined {
    return this.upstreamConnection?.localAddress;
  }

  get downstreamLocalAddress(): string {
    return this.downstream?.localAddress ?? '';
  }

  /** The client's; with port 0 where it is known from x-forwarded-for. */
  get downstreamRemoteAddress(): string {
    const forwarded = this.forwardedAddress;
    if (forwarded === undefined) return this.downstreamDirectRemoteAddress;
    return forwarded.includes(':') ? `[${forwarded}]:0` : `${forwarded}:0`;
  }

  /** The connection's. */
  get downstreamDirectRemoteAddress(): string {
    return this.downstream?.remoteAddress ?? '';
  }
}
