/** What a probe of the application came to, and from where it is sent. */

import { isIPv6 } from 'node:net';

export interface ProbeOutcome {
  /** Answered to the kubelet: 200 to 399 is success. */
  readonly status: number;
  readonly body: string;
  /** Why it failed where the application did not say so itself; for the log. */
  readonly problem?: string;
}

export interface ProbeTarget {
  /** Of the pod, where the application listens. */
  readonly address: string;
  readonly port: number;
  /** Absent: the system chooses. */
  readonly localAddress?: string;
}

/** What pilot-agent answers when there is nothing of the application's to pass on. */
export const SUCCESS: ProbeOutcome = { status: 200, body: '' };

export function failure(problem: string): ProbeOutcome {
  return { status: 500, body: '', problem };
}

/**
 * The interception rules leave alone what comes from 127.0.0.6 (`::6`), see istio-api.md 15.3 row 9; any other connection of
 * the proxy to its own pod is sent to the inbound listener. What goes to loopback is never captured.
 */
export function probeTarget(address: string, port: number): ProbeTarget {
  if (address === '' || address === '::1' || address.startsWith('127.')) return { address: address === '' ? '127.0.0.1' : address, port };
  return { address, port, localAddress: isIPv6(address) ? '::6' : '127.0.0.6' };
}

/** `10.0.0.1:80`, `[fd00::1]:80`. */
export function hostAndPort(address: string, port: number): string {
  return isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`;
}

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
