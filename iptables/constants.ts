/**
 * Ports that Istio's interception rules and its tools agree on (istio-api.md 15.2): rules written for istio-proxy find
 * Outrider at the same places. The rules themselves are not generated yet.
 */

/** Where outbound connections of the application are redirected to. */
export const OUTBOUND_CAPTURE_PORT = 15001;
/** Where inbound connections are redirected to. */
export const INBOUND_CAPTURE_PORT = 15006;
/** Admin, on loopback. */
export const ADMIN_PORT = 15000;
/** Readiness, excluded from inbound capture. */
export const HEALTH_PORT = 15021;
/** The proxy's own Prometheus page, excluded from inbound capture. */
export const METRICS_PORT = 15090;
