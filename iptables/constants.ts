/**
 * What Istio's interception rules and its tools agree on (istio-api.md 15.2, 15.3): ports, users and chain names, so that
 * rules written for istio-proxy find Outrider at the same places, and rules written here read as Istio's.
 */

/** Where outbound connections of the application are redirected to. */
export const OUTBOUND_CAPTURE_PORT = 15001;
/** Where inbound connections are redirected to. */
export const INBOUND_CAPTURE_PORT = 15006;
/** HBONE tunnel, never captured. */
export const INBOUND_TUNNEL_PORT = 15008;
/** Admin, on loopback. */
export const ADMIN_PORT = 15000;
/** Merged metrics and rewritten probes of Istio's agent (`status.sidecar.istio.io/port`), excluded from inbound capture. */
export const STATUS_PORT = 15020;
/** Readiness, excluded from inbound capture. */
export const HEALTH_PORT = 15021;
/** The proxy's own Prometheus page, excluded from inbound capture. */
export const METRICS_PORT = 15090;
/** Where captured DNS goes, UDP and TCP, on loopback. */
export const DNS_CAPTURE_PORT = 15053;

/** User and group of the proxy, whose own traffic is left alone. */
export const PROXY_ID = '1337';

/** The proxy connects to the application from these, which rule 9 leaves alone; IPv6 needs the address on `lo`. */
export const PASSTHROUGH_SOURCE = { v4: '127.0.0.6/32', v6: '::6/128' } as const;

/** TPROXY: mark of packets that go to the proxy, and the routing table that leads them there. */
export const TPROXY_MARK = 1337;
export const TPROXY_ROUTE_TABLE = 133;
/** TPROXY: mark of what the proxy sends to its own pod's address, which must be captured once more. */
export const TPROXY_OUTBOUND_MARK = 1338;

/** Chains that the rules make; `clean` knows its own by these names. */
export const CHAINS = {
  inbound: 'ISTIO_INBOUND',
  output: 'ISTIO_OUTPUT',
  redirect: 'ISTIO_REDIRECT',
  inRedirect: 'ISTIO_IN_REDIRECT',
  divert: 'ISTIO_DIVERT',
  tproxy: 'ISTIO_TPROXY',
  dns: 'ISTIO_OUTPUT_DNS',
  drop: 'ISTIO_DROP',
} as const;

/** Chains that nothing jumps to and that hold copies of our rules in built-in chains; see own-anchors.ts. */
export const RECORD_PREFIX = 'OUTRIDER_';
const RECORDS = ['PREROUTING', 'PREROUTING_TOP', 'OUTPUT'].map((chain) => `${RECORD_PREFIX}${chain}`);

export const OWN_CHAINS: ReadonlySet<string> = new Set([...Object.values(CHAINS), ...RECORDS]);

/** IPv4 and IPv6 have tables of their own. */
export type Family = 'v4' | 'v6';
