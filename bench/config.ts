/** What every measurement shares: cores, durations, connections, payload sizes and names. */

/** Core of the proxy under test. The proxy has it alone. */
export const proxyCore = 1;

/** Core of the load generator and the upstream. */
export const loadCore = 0;

/** Client connections of the closed-loop runs. */
export const connections = 64;

/** Client connections of the 1 MB upload runs: enough to keep the proxy busy, few enough to keep memory out of it. */
export const uploadConnections = 16;

/** Arrivals per second of the open-loop runs (the rate of Istio's published figures). */
export const openLoopRate = 1000;

/** Client connections an open-loop run may use. */
export const openLoopConnections = 64;

export const smallBodyBytes = 1024;
export const largeBodyBytes = 100 * 1024;
export const uploadBytes = 1024 * 1024;

/** Services of the large snapshot. */
export const manyServices = 10_000;

/** The mesh host that the load asks for; every peer routes it to the upstream. */
export const benchHost = 'bench.default.svc.cluster.local';

/** Its service port, as the Host header carries it. */
export const benchPort = 8080;

/** The name in the gateway's certificate. */
export const gatewayHost = 'bench.example.com';

/** Connections of the TCP run, and how many bytes the upstream writes at a time. */
export const bulkConnections = 8;
export const bulkWriteBytes = 256 * 1024;

/** Ports of the upstream: the hosts that the `policies` scenario balances over. */
export const upstreamHosts = 3;

/** Where the mirror of the `policies` scenario goes: the same upstream under another name. */
export const mirrorHost = 'shadow.default.svc.cluster.local';

/** The request header that decides the host where the scenario hashes, and how many values of it the load sends in turn. */
export const hashHeader = 'x-user';
export const hashValues = 64;

export interface Timing {
  /** Load before the first measured round, so that the JIT and the pools are warm. */
  readonly warmUpMs: number;
  /** One measured round. */
  readonly measureMs: number;
  readonly rounds: number;
}

/** The full run: about 40 minutes for every scenario and peer. */
export const fullTiming: Timing = { warmUpMs: 3000, measureMs: 4000, rounds: 5 };

/** `--quick`: one scenario with three peers in well under 40 s. */
export const quickTiming: Timing = { warmUpMs: 2000, measureMs: 2000, rounds: 3 };
