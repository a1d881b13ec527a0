/** A proxy under the table: the real Envoy or Outrider, configured alike. */

/** Ports that the target's routes lead to. */
export interface Backends {
  /** The scripted upstream, and its second port. */
  readonly upstream: number;
  readonly second: number;
  /** A port where nobody listens. */
  readonly refused: number;
  /** A port whose listener never accepts and whose queue is full: connects hang. */
  readonly hanging: number;
}

export interface Target {
  /** Ports behind it, for the names of hosts in its log. */
  readonly backends: Backends;
  /** Port of the outbound listener. */
  readonly port: number;
  /** Root process. */
  readonly pid: number;
  /** The access log so far, whole lines only. */
  logLines(): readonly string[];
  /** False once the process has ended by itself. */
  alive(): boolean;
  /** What it printed, for a failure message. */
  output(): string;
}

/**
 * Hosts that the table uses, the same in both configurations; every route has no retries, so that a reply is the first
 * one's.
 *
 * - `app.test`: to the upstream; `/timeout` with 300 ms, `/redirect` → `/elsewhere`, `/move/*` → host `other.test`,
 *   `/denied` answers 403 `denied`.
 * - `narrow.test`: only `/only` has a route.
 * - `refused.test`, `hanging.test` (connect timeout 300 ms), `empty.test` (no endpoint), `missing.test` (unknown cluster).
 * - every other host: refused as outbound policy REGISTRY_ONLY refuses it.
 */
export const routeTimeoutMs = 300;
export const connectTimeoutMs = 300;
