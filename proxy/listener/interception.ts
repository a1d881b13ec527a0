/** Whether a connection on a capture listener was redirected to it, and what may become of it. Pure. */

import type { Destination } from '../stream/connection-facts.ts';

/** auto: found out from the connections; redirect: iptables rules are in place; none: nobody redirects. */
export type InterceptionMode = 'auto' | 'redirect' | 'none';

export interface CapturedConnection {
  readonly mode: InterceptionMode;
  /** What the kernel says; undefined where it knows of no redirection. */
  readonly original: Destination | undefined;
  /** The accepted socket's own address. Asked for only where the port alone does not decide. */
  readonly local: () => Destination;
  /** Port that the listener is bound to. */
  readonly boundPort: number;
  /** A redirected connection has been seen on this listener. */
  readonly seen: boolean;
  /** True for a port of a capture listener of this proxy, and for its other listeners at its own addresses. */
  readonly isOwn: (address: string, port: number) => boolean;
}

/**
 * `direct`: to the listener's own address, served as HTTP proxy use. `refused`: the same, where interception is on (Istio's
 * blackhole for direct calls to 15001 and 15006). `loop`: redirected on its way to this proxy itself.
 */
export type Interception = { readonly kind: 'direct' | 'refused' | 'loop' } | { readonly kind: 'redirected'; readonly destination: Destination };

const DIRECT: Interception = { kind: 'direct' };
const REFUSED: Interception = { kind: 'refused' };
const LOOP: Interception = { kind: 'loop' };

export function decideInterception(connection: CapturedConnection): Interception {
  const { mode, original, seen } = connection;
  if (mode === 'none') return DIRECT;
  if (original === undefined || isLocal(original, connection)) return mode === 'redirect' || seen ? REFUSED : DIRECT;
  if (connection.isOwn(original.address, original.port)) return LOOP;
  return { kind: 'redirected', destination: original };
}

/** Connection tracking tells the destination of connections that nobody redirected, too. */
function isLocal(original: Destination, { boundPort, local }: CapturedConnection): boolean {
  if (original.port !== boundPort) return false;
  const { address, port } = local();
  return original.address === address && original.port === port;
}
