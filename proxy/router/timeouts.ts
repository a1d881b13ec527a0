/** How long a request and each of its attempts may take, and how the upstream is told (proxy-semantics A.2): pure. */

const GRPC_TIMEOUT = /^(\d{1,8})([HMSmun])$/;
/** gRPC's units, milliseconds. */
const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 0.001, n: 0.000_001 };

/** Milliseconds of a `grpc-timeout` value, rounded up; undefined when it is none. 0 means no limit. */
export function parseGrpcTimeout(value: string): number | undefined {
  const [, digits, unit] = GRPC_TIMEOUT.exec(value) ?? [];
  return digits === undefined || unit === undefined ? undefined : Math.ceil(Number(digits) * (UNIT_MS[unit] as number));
}

/**
 * Limit of a gRPC request, milliseconds: what the client asks for, capped by the route's timeout; undefined = none. Istio
 * sets no other cap (GrpcTimeoutHeaderMax is the route timeout, 0 = any).
 */
export function grpcTimeoutMs(asked: string | undefined, routeTimeoutMs: number | undefined): number | undefined {
  const askedMs = asked === undefined ? undefined : parseGrpcTimeout(asked);
  if (askedMs === undefined) return routeTimeoutMs;
  if (routeTimeoutMs === undefined) return askedMs === 0 ? undefined : askedMs;
  return askedMs === 0 ? routeTimeoutMs : Math.min(askedMs, routeTimeoutMs);
}

/** The per-try limit that counts: none when the whole request may not take longer anyway (Envoy). */
export function effectivePerTryMs(perTryTimeoutMs: number | undefined, timeoutMs: number | undefined): number | undefined {
  return perTryTimeoutMs === undefined || (timeoutMs !== undefined && perTryTimeoutMs >= timeoutMs) ? undefined : perTryTimeoutMs;
}

/**
 * Value of x-envoy-expected-rq-timeout-ms for one attempt: the smaller of the per-try limit and what is left of the whole;
 * 1 stands for "expired", undefined for no limit.
 */
export function expectedTimeoutMs(perTryMs: number | undefined, leftMs: number | undefined): number | undefined {
  if (perTryMs === undefined && leftMs === undefined) return undefined;
  return Math.max(1, Math.ceil(Math.min(perTryMs ?? Infinity, leftMs ?? Infinity)));
}
