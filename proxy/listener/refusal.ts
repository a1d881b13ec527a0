/** Why a connection is not served: what the access log says of it and, in a plain sentence, the process log. */

import type { NetworkConfig } from '../../config/runtime/filter-chain.ts';
import type { TlsFailure } from '../identity/tls-events.ts';
import { ResponseFlag } from '../stream/response-flags.ts';

export interface Refusal {
  /** ResponseFlag bits. */
  readonly flags: number;
  /** %RESPONSE_CODE_DETAILS%. */
  readonly details: string;
  /** %CONNECTION_TERMINATION_DETAILS%: Envoy's words of what TLS refused. */
  readonly termination?: string;
  /** For the process log; absent where the access log says it all. */
  readonly sentence?: string;
  /** Cluster the chain names: BlackHoleCluster. */
  readonly cluster?: string;
}

/** Nothing is for this destination and these first bytes; plain text where only mutual TLS is let in. */
export const NO_CHAIN: Refusal = { flags: ResponseFlag.NoRoute, details: 'filter_chain_not_found', sentence: 'no filter chain is for it' };

export const DIRECT_REFUSED: Refusal = {
  flags: ResponseFlag.NoRoute,
  details: 'direct_connection_to_capture_port',
  sentence: 'it was made to the capture port itself, which only redirected connections may reach',
};

export const LOOP: Refusal = { flags: ResponseFlag.NoRoute, details: 'redirect_loop', sentence: 'it was on its way to a port that proxies capture on, and would go round for ever' };

export function proxyProtocolRefusal(reason: string): Refusal {
  return { flags: ResponseFlag.DownstreamProtocolError, details: 'proxy_protocol_error', sentence: `PROXY protocol: ${reason}` };
}

/** A ClientHello that is too large or of a version nobody speaks. */
export function unservableRefusal(reason: string): Refusal {
  return { flags: ResponseFlag.DownstreamProtocolError, details: reason, sentence: `TLS: ${reason.replaceAll('_', ' ')}` };
}

export function tlsRefusal({ reason, sentence }: TlsFailure): Refusal {
  return { flags: ResponseFlag.DownstreamProtocolError, details: 'downstream_tls_error', termination: reason, sentence: `TLS: ${sentence}` };
}

/** For chains whose network is `close`. */
export function refusalOfChain(network: NetworkConfig): Refusal {
  if (network.kind !== 'close') return NO_CHAIN;
  const { reason, flag, cluster } = network;
  const flags = flag === 'UH' ? ResponseFlag.NoHealthyUpstream : flag === 'NR' ? ResponseFlag.NoRoute : 0;
  return { flags, details: reason, sentence: reason, ...(cluster !== undefined && { cluster }) };
}
