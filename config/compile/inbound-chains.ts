/** Filter chains of a sidecar's inbound ports: plain text, mutual TLS or both, told apart by the first bytes (istio-api.md 8.2, proxy-semantics.md A.10). */

import type { FilterChainConfig, FilterChainMatch, NetworkConfig } from '../runtime/filter-chain.ts';
import type { Origin } from '../runtime/origin.ts';
import type { ServerTlsConfig } from '../runtime/tls.ts';
import { MESH_ANY, MESH_BYTES, MESH_HTTP, PLAIN_HTTP } from './application-protocols.ts';
import type { PeerMode } from './peer-authentication.ts';

/** A port as its chains see it. */
export interface InboundTarget {
  /** Of the chains, each with a suffix of its own. */
  readonly name: string;
  /** Local port; absent: every port that has no chains of its own, or a listener with one port only. */
  readonly destinationPort?: number;
  readonly speaks: 'HTTP' | 'TCP' | 'AUTO';
  readonly http: NetworkConfig;
  readonly tcp: NetworkConfig;
  /** Sidecar `ingress[].tls`: TLS of clients outside the mesh. */
  readonly ownTls?: ServerTlsConfig;
  readonly origin?: Origin | undefined;
}

/** How mutual TLS is terminated. */
export interface InboundTls {
  readonly http: ServerTlsConfig;
  readonly tcp: ServerTlsConfig;
}

/** In no particular order: no two can take the same connection. */
export function inboundChains(target: InboundTarget, { mode }: Pick<PeerMode, 'mode'>, tls: InboundTls): readonly FilterChainConfig[] {
  const parts = target.ownTls === undefined ? PARTS[mode][target.speaks] : OWN_TLS[target.speaks === 'HTTP' ? 'http' : 'tcp'];
  return parts.map((part) => createChain(part, target, tls));
}

type Match = Pick<FilterChainMatch, 'transport' | 'applicationProtocols'>;

interface ChainPart {
  readonly suffix: string;
  readonly match: Match;
  readonly network: 'http' | 'tcp';
  readonly terminates: boolean;
}

const tls = (applicationProtocols?: readonly string[]): Match => ({ transport: 'tls', ...(applicationProtocols !== undefined && { applicationProtocols }) });
const plain = (applicationProtocols?: readonly string[]): Match => ({ transport: 'plain', ...(applicationProtocols !== undefined && { applicationProtocols }) });

const mutual = (network: 'http' | 'tcp', alpn?: readonly string[]): ChainPart => ({ suffix: `mtls-${network}`, match: tls(alpn), network, terminates: true });
const clear = (network: 'http' | 'tcp', alpn?: readonly string[]): ChainPart => ({ suffix: network, match: plain(alpn), network, terminates: false });
/** TLS that is the application's own. */
const PASSED_THROUGH: ChainPart = { suffix: 'tls', match: tls(), network: 'tcp', terminates: false };

/** By what the port requires and what is spoken on it. Clients of the mesh say by ALPN who they are and whether they speak HTTP. */
const PARTS: Readonly<Record<PeerMode['mode'], Readonly<Record<InboundTarget['speaks'], readonly ChainPart[]>>>> = {
  STRICT: {
    HTTP: [mutual('http')],
    TCP: [mutual('tcp')],
    AUTO: [mutual('http', MESH_HTTP), mutual('tcp')],
  },
  PERMISSIVE: {
    HTTP: [mutual('http', MESH_ANY), clear('http')],
    TCP: [mutual('tcp', MESH_ANY), clear('tcp'), PASSED_THROUGH],
    AUTO: [mutual('http', MESH_HTTP), mutual('tcp', MESH_BYTES), clear('http', PLAIN_HTTP), clear('tcp'), PASSED_THROUGH],
  },
  DISABLE: {
    HTTP: [{ suffix: 'http', match: {}, network: 'http', terminates: false }],
    TCP: [{ suffix: 'tcp', match: {}, network: 'tcp', terminates: false }],
    AUTO: [clear('http', PLAIN_HTTP), clear('tcp'), PASSED_THROUGH],
  },
};

const OWN_TLS: Readonly<Record<'http' | 'tcp', readonly ChainPart[]>> = { http: [mutual('http')], tcp: [mutual('tcp')] };

function createChain({ suffix, match, network, terminates }: ChainPart, target: InboundTarget, { http, tcp }: InboundTls): FilterChainConfig {
  const { name, destinationPort, ownTls, origin } = target;
  return {
    name: `${name}-${ownTls === undefined ? suffix : `tls-${network}`}`,
    match: { ...(destinationPort !== undefined && { destinationPort }), ...match },
    ...(terminates && { tls: ownTls ?? (network === 'http' ? http : tcp) }),
    network: network === 'http' ? target.http : target.tcp,
    ...(origin !== undefined && { origin }),
  };
}
