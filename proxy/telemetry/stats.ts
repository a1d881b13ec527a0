/** Counters and gauges as plain number fields, one object per cluster, host, listener and process: an increment is an add. */

/** Envoy's `cluster.<name>.*`, names in camel case. */
export class ClusterStats {
  upstreamCxTotal = 0;
  upstreamCxActive = 0;
  upstreamCxConnectFail = 0;
  upstreamCxConnectTimeout = 0;
  upstreamCxDestroyRemoteWithActiveRq = 0;
  upstreamCxDestroyLocalWithActiveRq = 0;
  upstreamCxProtocolError = 0;
  upstreamCxIdleTimeout = 0;
  upstreamCxNoneHealthy = 0;
  upstreamCxRxBytesTotal = 0;
  upstreamCxTxBytesTotal = 0;
  upstreamRqTotal = 0;
  upstreamRqActive = 0;
  upstreamRqPendingActive = 0;
  upstreamRqPendingTotal = 0;
  upstreamRqTimeout = 0;
  upstreamRqCompleted = 0;
  /** Requests replayed after the keep-alive race (nothing was answered, safe to send again). */
  upstreamRqReplayed = 0;
  upstreamRqRxReset = 0;
  upstreamRqTxReset = 0;
  upstreamRq1xx = 0;
  upstreamRq2xx = 0;
  upstreamRq3xx = 0;
  upstreamRq4xx = 0;
  upstreamRq5xx = 0;
  /** Retries sent, and those of them that were answered well. */
  upstreamRqRetry = 0;
  upstreamRqRetrySuccess = 0;
  upstreamRqRetryBackoffExponential = 0;
  /** Retries that the breaker or the budget refused, and those there was no attempt left for. */
  upstreamRqRetryOverflow = 0;
  upstreamRqRetryLimitExceeded = 0;
  upstreamRqPerTryTimeout = 0;
  /** Requests whose body outgrew the buffer, so that they could be neither retried nor mirrored. */
  retryOrShadowAbandoned = 0;
  upstreamRqPendingOverflow = 0;
  upstreamRqActiveOverflow = 0;
  /** Copies for this mirror that were not sent, because too many were unanswered. */
  upstreamRqMirrorOverflow = 0;
  upstreamRqPendingFailureEject = 0;
  upstreamCxOverflow = 0;
  upstreamCxMaxRequests = 0;
  upstreamCxMaxDurationReached = 0;
  /** Byte tunnels given up because every connect failed. */
  upstreamCxConnectAttemptsExceeded = 0;
  /** Picks made without regard to health. */
  lbHealthyPanic = 0;
  membershipChange = 0;
  /** TLS of its connections; Envoy's `ssl.*`. */
  sslHandshake = 0;
  sslConnectionError = 0;
  sslFailVerifyNoCert = 0;
  sslFailVerifyError = 0;
  sslFailVerifySan = 0;
  sslFailVerifyCertHash = 0;
  sslSessionReused = 0;
  sslNoCertificate = 0;
  sslSecretsNotReady = 0;
}

/**
 * Envoy's `cluster.<name>.outlier_detection.*`, of the rules Istio switches on; detected counts what was enforced and what
 * maxEjectionPercent prevented (overflow).
 */
export class OutlierStats {
  ejectionsActive = 0;
  ejectionsEnforcedTotal = 0;
  ejectionsEnforcedConsecutive5xx = 0;
  ejectionsEnforcedConsecutiveGatewayFailure = 0;
  ejectionsEnforcedConsecutiveLocalOriginFailure = 0;
  ejectionsDetectedConsecutive5xx = 0;
  ejectionsDetectedConsecutiveGatewayFailure = 0;
  ejectionsDetectedConsecutiveLocalOriginFailure = 0;
  ejectionsOverflow = 0;
}

/** Per host, as Envoy's `/clusters` prints them. */
export class HostStats {
  cxActive = 0;
  cxTotal = 0;
  cxConnectFail = 0;
  rqActive = 0;
  rqTotal = 0;
  rqSuccess = 0;
  rqError = 0;
  rqTimeout = 0;
}

/** Envoy's `http.<stat prefix>.*` and `listener.<address>.*` for one listener. */
export class ListenerStats {
  downstreamCxTotal = 0;
  downstreamCxActive = 0;
  downstreamCxDestroyRemoteActiveRq = 0;
  downstreamCxProtocolError = 0;
  downstreamCxIdleTimeout = 0;
  downstreamCxDrainClose = 0;
  downstreamCxRxBytesTotal = 0;
  downstreamCxTxBytesTotal = 0;
  /** Connections whose first bytes are looked at, and those that said too little for too long. */
  downstreamPreCxActive = 0;
  downstreamPreCxTimeout = 0;
  /** First bytes that nobody could serve; peers that left before their first bytes told what they speak. */
  downstreamListenerFilterError = 0;
  downstreamListenerFilterRemoteClose = 0;
  /** A PROXY protocol header was missing or wrong. */
  downstreamCxProxyProtoError = 0;
  noFilterChainMatch = 0;
  downstreamRqTotal = 0;
  downstreamRqActive = 0;
  downstreamRqCompleted = 0;
  downstreamRqRxReset = 0;
  downstreamRqTxReset = 0;
  downstreamRqTimeout = 0;
  downstreamRqHeaderTimeout = 0;
  downstreamRqTooLarge = 0;
  downstreamRq1xx = 0;
  downstreamRq2xx = 0;
  downstreamRq3xx = 0;
  downstreamRq4xx = 0;
  downstreamRq5xx = 0;
  noRoute = 0;
  noCluster = 0;
  rqDirectResponse = 0;
  rqRedirect = 0;
  /** Envoy's `http.<stat prefix>.fault.*`; the last two stay 0, since Istio configures neither a limit of active faults nor a slow response. */
  faultDelaysInjected = 0;
  faultAbortsInjected = 0;
  faultActiveFaults = 0;
  faultFaultsOverflow = 0;
  faultResponseRlInjected = 0;
  /** TLS of its connections; Envoy's `ssl.*`. */
  sslHandshake = 0;
  sslConnectionError = 0;
  sslFailVerifyNoCert = 0;
  sslFailVerifyError = 0;
  sslFailVerifySan = 0;
  sslFailVerifyCertHash = 0;
  sslSessionReused = 0;
  sslNoCertificate = 0;
  sslSecretsNotReady = 0;
}
