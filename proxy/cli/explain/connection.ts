/** Which filter chain takes the connection a request comes by, and how TLS is terminated there: at a gateway, and for bytes beside an application. */

import type { Snapshot } from '../../../config/load/types.ts';
import type { FilterChainConfig, TcpRouteConfig } from '../../../config/runtime/filter-chain.ts';
import type { ListenerConfig } from '../../../config/runtime/listener.ts';
import type { RuntimeConfig } from '../../../config/runtime/runtime-config.ts';
import type { ServerTlsConfig, TrustReference } from '../../../config/runtime/tls.ts';
import { DomainMap } from '../../base/domain-map.ts';
import { clientRulesOf } from '../../listener/chain-set.ts';
import { FilterChainMatcher } from '../../listener/filter-chain-match.ts';
import type { Detected } from '../../listener/inspect.ts';
import type { Destination } from '../../stream/connection-facts.ts';
import type { AskedRequest } from './asked-request.ts';
import type { ExplainedCertificate, ExplainedConnection, ExplainedResponse } from './explanation.ts';
import { intercept } from './intercepted.ts';

/** What becomes of the connection. */
export interface ChosenConnection {
  /** Undefined where the listener has no chains: everything is plain HTTP there. */
  readonly explained: ExplainedConnection | undefined;
  /** As a request on this connection sees it. */
  readonly listener: ListenerConfig;
  readonly isSecure: boolean;
  /** Present where no request is read. */
  readonly end?: { readonly kind: 'refused'; readonly response: ExplainedResponse } | { readonly kind: 'tcp'; readonly route: TcpRouteConfig };
  /** The host is for another chain of the listener to serve, whether or not this one has routes for it. */
  isMisdirected(authority: string, isRouted: boolean): boolean;
}

const NEVER = (): boolean => false;
const REQUEST: Detected = { transport: 'plain', serverName: undefined, protocols: ['http/1.1'] };

/** A sidecar's requests come by its capture port, which is plain HTTP; its connections are taken on their way. */
export function chooseConnection(asked: AskedRequest, at: ListenerConfig, { config, snapshot }: { readonly config: RuntimeConfig; readonly snapshot: Snapshot }): ChosenConnection {
  const detected = firstBytes(asked);
  const { listener, destination, isIntercepted } = whereTaken(asked, at, detected, { config, snapshot });
  const hasChains = listener.chains !== undefined || listener.defaultChain !== undefined;
  if (!hasChains || (at.direction !== 'gateway' && !isIntercepted)) return { explained: undefined, listener, isSecure: false, isMisdirected: NEVER };
  const chain = matchChain(listener, destination, detected);
  const explained = explainConnection(chain, detected, config);
  const plain = { explained, listener, isSecure: false, isMisdirected: NEVER };
  if (chain === undefined) return { ...plain, end: refused('NR', 'filter_chain_not_found') };
  if (chain.tls !== undefined && detected.transport !== 'tls') return { ...plain, end: refused('DPE', 'downstream_tls_error: this server speaks TLS, and the URL does not') };
  const { network } = chain;
  if (network.kind === 'close') return { ...plain, end: refused(network.flag ?? '-', network.reason) };
  if (network.kind === 'tcp') return { ...plain, end: { kind: 'tcp', route: network.route } };
  return { ...plain, listener: { ...listener, routing: network.routing, http: network.http }, isSecure: chain.tls !== undefined, isMisdirected: belongsElsewhere(listener, chain) };
}

interface Taken {
  readonly listener: ListenerConfig;
  readonly destination: Destination;
  /** Beside an application: on its way to an address, and not as a request of an HTTP proxy's client. */
  readonly isIntercepted: boolean;
}

/** A request for https is a TLS connection, except where its port is declared as HTTP: there it is asked what such a request would meet. */
function whereTaken(asked: AskedRequest, at: ListenerConfig, detected: Detected, { config, snapshot }: { readonly config: RuntimeConfig; readonly snapshot: Snapshot }): Taken {
  const direct = { listener: at, destination: at.bind, isIntercepted: false };
  const { scheme } = asked.head;
  if (at.direction === 'gateway' || scheme === 'http') return direct;
  const taken = { ...intercept(asked.host, asked.connectPort, at, config, snapshot), isIntercepted: true };
  if (scheme === 'tcp') return taken;
  return taken.listener !== at && !readsRequests(taken.listener, taken.destination, detected) ? taken : direct;
}

/** HTTP is what its port is declared for, and no chain is there for TLS: it would be passed on unread, as what nobody declared. */
function readsRequests({ chains = [] }: ListenerConfig, destination: Destination, detected: Detected): boolean {
  return matchChain({ chains }, destination, detected) === undefined && matchChain({ chains }, destination, REQUEST)?.network.kind === 'http';
}

/** An address is never a server name (RFC 6066 section 3); those of Istio's form are asked for by sidecars. */
function firstBytes({ head, serverName }: AskedRequest): Detected {
  if (head.scheme === 'https') return { transport: 'tls', serverName, protocols: [serverName?.startsWith('outbound_.') === true ? 'istio' : 'http/1.1'] };
  return { transport: 'plain', serverName: undefined, protocols: head.scheme === 'tcp' ? [] : ['http/1.1'] };
}

function matchChain({ chains = [], defaultChain }: Pick<ListenerConfig, 'chains' | 'defaultChain'>, destination: Destination, detected: Detected): FilterChainConfig | undefined {
  const matcher = new FilterChainMatcher<FilterChainConfig>();
  for (const chain of chains) matcher.add(chain.match, chain, chain.tls !== undefined);
  return matcher.candidates(destination)?.match(detected) ?? defaultChain;
}

/** As the listener itself decides (RFC 9110 section 15.5.20). */
function belongsElsewhere({ chains = [] }: ListenerConfig, own: FilterChainConfig): ChosenConnection['isMisdirected'] {
  const { tls } = own;
  if (tls === undefined) return NEVER;
  const owners = new DomainMap<FilterChainConfig>();
  for (const chain of chains) if (chain.tls !== undefined) for (const name of chain.match.serverNames ?? []) owners.set(name, chain);
  return (authority, isRouted) => {
    const owner = owners.lookup(authority.replace(/:\d*$/, ''));
    if (owner?.tls === undefined || owner === own) return false;
    return !isRouted || (owner.tls.clientCertificate !== 'none' && clientRulesOf(owner.tls) !== clientRulesOf(tls));
  };
}

function refused(flag: string, details: string): NonNullable<ChosenConnection['end']> {
  return { kind: 'refused', response: { status: 0, flag, details } };
}

function explainConnection(chain: FilterChainConfig | undefined, { transport, serverName }: Detected, config: RuntimeConfig): ExplainedConnection {
  return {
    transport,
    serverName: serverName ?? null,
    filterChain: chain === undefined ? null : { name: chain.name, source: chain.origin ?? null },
    tls: chain?.tls === undefined ? null : explainTls(chain.tls, config),
  };
}

function explainTls({ mode, identities, clientCertificate, trust, subjectAltNames, minVersion, maxVersion, alpn, origin }: ServerTlsConfig, config: RuntimeConfig): NonNullable<ExplainedConnection['tls']> {
  return {
    mode,
    certificates: identities.map((reference) => explainReference(reference, config, 'certificate')),
    clientCertificate,
    ...(trust !== undefined && { authorities: explainReference(trust, config, 'authorities') }),
    ...(subjectAltNames !== undefined && { subjectAltNames }),
    minVersion,
    maxVersion,
    alpn,
    source: origin ?? null,
  };
}

/** Where it comes from; a Secret that the snapshot lacks is told as missing. */
function explainReference(reference: TrustReference, { secrets }: RuntimeConfig, part: 'certificate' | 'authorities'): ExplainedCertificate {
  switch (reference.kind) {
    case 'secret': {
      const secret = secrets[reference.name];
      return { from: reference.name, source: secret?.origin ?? null, ...(secret === undefined && { missing: true }) };
    }
    case 'files':
      return { from: (part === 'certificate' ? reference.certificate : reference.authorities) ?? '', source: null };
    case 'workload':
      return { from: '--certs', source: null };
    case 'system':
      return { from: "the operating system's authorities", source: null };
    default:
      return reference satisfies never;
  }
}
