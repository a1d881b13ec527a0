/** Limits that a downstream HTTP/1.1 connection keeps against slow peers, milliseconds. */

export interface ServerConnectionTimeouts {
  /** First byte of a head to its end; 408 after it. */
  readonly headerMs: number;
  /** No request on the connection. One that never had any is closed; another one is drained. */
  readonly idleMs: number;
  /** A request body that stands still, or a response the downstream does not take. */
  readonly stallMs: number;
}
