/** Why a stream ended as it did: bits for the hot path, Envoy's short names for logs and metrics. */

/** Bit values; several may be set on one stream. */
export const ResponseFlag = {
  NoHealthyUpstream: 1 << 0,
  UpstreamConnectionFailure: 1 << 1,
  UpstreamConnectionTermination: 1 << 2,
  UpstreamRemoteReset: 1 << 3,
  UpstreamOverflow: 1 << 4,
  UpstreamTimeout: 1 << 5,
  UpstreamRetryLimitExceeded: 1 << 6,
  UpstreamProtocolError: 1 << 7,
  NoRoute: 1 << 8,
  NoCluster: 1 << 9,
  DownstreamTermination: 1 << 10,
  DownstreamProtocolError: 1 << 11,
  DelayInjected: 1 << 12,
  FaultInjected: 1 << 13,
  LocalReset: 1 << 14,
  StreamIdleTimeout: 1 << 15,
  RateLimited: 1 << 16,
  UnauthorizedExternal: 1 << 17,
  OverloadManager: 1 << 18,
  DnsFailure: 1 << 19,
  DurationTimeout: 1 << 20,
  /** Of a connection passed through. Envoy has one flag for this and for retries, but sets it behind the failure here. */
  ConnectAttemptsExceeded: 1 << 21,
} as const;

/**
 * Short and long names in the order they are printed. Envoy prints flags in the order they were set: faults before anything
 * else, the retry gates (UO, URX) before what became of the last attempt, the downstream's part last.
 */
const NAMES: readonly (readonly [flag: number, short: string, long: string])[] = [
  [ResponseFlag.DelayInjected, 'DI', 'DelayInjected'],
  [ResponseFlag.FaultInjected, 'FI', 'FaultInjected'],
  [ResponseFlag.UpstreamOverflow, 'UO', 'UpstreamOverflow'],
  [ResponseFlag.UpstreamRetryLimitExceeded, 'URX', 'UpstreamRetryLimitExceeded'],
  [ResponseFlag.NoHealthyUpstream, 'UH', 'NoHealthyUpstream'],
  [ResponseFlag.UpstreamTimeout, 'UT', 'UpstreamRequestTimeout'],
  [ResponseFlag.LocalReset, 'LR', 'LocalReset'],
  [ResponseFlag.UpstreamRemoteReset, 'UR', 'UpstreamRemoteReset'],
  [ResponseFlag.UpstreamConnectionFailure, 'UF', 'UpstreamConnectionFailure'],
  [ResponseFlag.UpstreamConnectionTermination, 'UC', 'UpstreamConnectionTermination'],
  [ResponseFlag.UpstreamProtocolError, 'UPE', 'UpstreamProtocolError'],
  [ResponseFlag.ConnectAttemptsExceeded, 'URX', 'UpstreamRetryLimitExceeded'],
  [ResponseFlag.NoRoute, 'NR', 'NoRouteFound'],
  [ResponseFlag.NoCluster, 'NC', 'NoClusterFound'],
  [ResponseFlag.RateLimited, 'RL', 'RateLimited'],
  [ResponseFlag.UnauthorizedExternal, 'UAEX', 'UnauthorizedExternalService'],
  [ResponseFlag.DownstreamTermination, 'DC', 'DownstreamConnectionTermination'],
  [ResponseFlag.DownstreamProtocolError, 'DPE', 'DownstreamProtocolError'],
  [ResponseFlag.StreamIdleTimeout, 'SI', 'StreamIdleTimeout'],
  [ResponseFlag.DurationTimeout, 'DT', 'DurationTimeout'],
  [ResponseFlag.OverloadManager, 'OM', 'OverloadManagerTerminated'],
  [ResponseFlag.DnsFailure, 'DF', 'DnsResolutionFailed'],
];

/** `UF,URX`, or `-` when no flag is set. */
export function renderResponseFlags(flags: number): string {
  if (flags === 0) return '-';
  const names: string[] = [];
  for (const [flag, short] of NAMES) if ((flags & flag) !== 0) names.push(short);
  return names.join(',');
}

/** `UpstreamConnectionFailure,UpstreamRetryLimitExceeded`, or `-`: %RESPONSE_FLAGS_LONG%. */
export function renderLongResponseFlags(flags: number): string {
  return NAMES.filter(([flag]) => (flags & flag) !== 0).map(([, , long]) => long).join(',') || '-';
}
