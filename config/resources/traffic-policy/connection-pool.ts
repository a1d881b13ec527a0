/** `connectionPool` of DestinationRule, Sidecar and MeshConfig. */

import type { Report, Schema } from '../schema.ts';
import { boolean, checked, integer, object, oneName, uint32 } from '../schema.ts';
import { duration } from '../values.ts';
import type { ConnectionPoolSettings, HttpSettings, TcpKeepalive, TcpSettings } from './types.ts';

/** Istio's int32 limits; negative ones are refused. */
const limit = integer(0, 0x7f_ff_ff_ff);
const atLeast1ms = duration({ minMs: 1 });

export const tcpKeepalive: Schema<TcpKeepalive> = object<TcpKeepalive>({ probes: uint32, time: atLeast1ms, interval: atLeast1ms });

/** Unlike the others it may be 0s, which switches it off. */
const tcpIdleTimeout: Schema<number> = checked<number>(duration(), (value, report) => {
  if (!Number.isInteger(value)) report.error([], 'must be whole milliseconds');
});

const tcp: Schema<TcpSettings> = object<TcpSettings>(
  { maxConnections: limit, connectTimeout: atLeast1ms, tcpKeepalive, maxConnectionDuration: atLeast1ms, idleTimeout: tcpIdleTimeout },
  { check: (value, report) => warnOfZero(value, ['maxConnections'], report) },
);

const http2KeepAlive: Schema<NonNullable<HttpSettings['http2KeepAlive']>> = object<NonNullable<HttpSettings['http2KeepAlive']>>(
  { interval: atLeast1ms, timeout: atLeast1ms },
  { required: ['interval', 'timeout'] },
);

const http: Schema<HttpSettings> = object<HttpSettings>(
  {
    http1MaxPendingRequests: limit,
    http2MaxRequests: limit,
    maxRequestsPerConnection: limit,
    maxRetries: limit,
    idleTimeout: atLeast1ms,
    h2UpgradePolicy: oneName(['DEFAULT', 'DO_NOT_UPGRADE', 'UPGRADE']),
    useClientProtocol: boolean,
    maxConcurrentStreams: limit,
    http2KeepAlive,
  },
  {
    check: (value, report) => {
      warnOfZero(value, ['http1MaxPendingRequests', 'http2MaxRequests', 'maxRetries'], report);
      if (value.useClientProtocol !== true || value.h2UpgradePolicy !== 'UPGRADE') return;
      report.error(['useClientProtocol'], 'cannot be combined with h2UpgradePolicy UPGRADE; choose one');
    },
  },
);

export const connectionPool: Schema<ConnectionPoolSettings> = object<ConnectionPoolSettings>(
  { tcp, http },
  {
    check: (value, report) => {
      if (value.tcp === undefined && value.http === undefined) report.error([], 'is empty; set tcp or http, or leave it out');
    },
  },
);

/** Envoy itself would refuse everything at 0; in Istio's integers 0 is "unset". */
function warnOfZero<T extends object>(value: T, limits: readonly (keyof T & string)[], report: Report): void {
  for (const field of limits) {
    if (value[field] === 0) report.warning([field], '0 means unset, so nothing is limited; the least limit is 1');
  }
}
