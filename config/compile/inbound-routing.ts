/** Requests that reach the inbound capture listener without interception: by the port they name, in plain text or over mutual TLS. */

import type { FilterChainConfig } from '../runtime/filter-chain.ts';
import type { ListenerConfig, RoutingConfig } from '../runtime/listener.ts';
import type { RouteTableConfig } from '../runtime/route.ts';
import type { CompileContext } from './context.ts';
import { MATCH_EVERYTHING, sidecarHttp } from './filter-chains.ts';
import type { InboundService } from './local-application.ts';
import { inboundTls } from './mesh-tls.ts';
import { MATCH_ALL } from './route-match.ts';

/** Answers what came in plain text for a port that requires mutual TLS. */
const TLS_REQUIRED_TABLE = 'inbound|mtls-required';

export interface InboundTables {
  readonly services: readonly InboundService[];
  /** Leads to ports that nobody declared. */
  readonly passthrough: RouteTableConfig;
}

/** In plain text. */
export function inboundRouting(tables: InboundTables, context: CompileContext): RoutingConfig {
  const { node, peerAuthentications } = context;
  return routingByPort(tables, context, (port) => peerAuthentications.modeOf(node, port).mode === 'STRICT');
}

/**
 * What came to the listener's own address: over TLS the client shows a certificate of the mesh, whatever the port asks for;
 * anything else is plain HTTP. Undefined where the workload has no certificate, or takes no mutual TLS.
 */
export function directChains(tables: InboundTables, context: CompileContext): ListenerConfig['direct'] {
  const { node, mesh, peerAuthentications } = context;
  if (node.hasIdentity !== true || peerAuthentications.modeOf(node).mode === 'DISABLE') return undefined;
  const http = sidecarHttp(mesh);
  const secure: FilterChainConfig = {
    name: 'virtualInbound-direct-mtls',
    match: { transport: 'tls' },
    tls: inboundTls(node.trustDomain, mesh).http,
    network: { kind: 'http', routing: routingByPort(tables, context, () => false), http },
  };
  const plain: FilterChainConfig = { name: 'virtualInbound-direct', match: MATCH_EVERYTHING, network: { kind: 'http', routing: inboundRouting(tables, context), http } };
  return { chains: [secure], defaultChain: plain };
}

/** Without interception nobody knows which port was meant; where there is only one there is nothing to choose. */
function routingByPort({ services, passthrough }: InboundTables, { node, peerAuthentications }: CompileContext, isStrict: (port?: number) => boolean): RoutingConfig {
  const routed = services.flatMap(({ ports, table }) => (table === undefined ? [] : [{ ports, table: isStrict(ports[0]) ? TLS_REQUIRED_TABLE : table.name }]));
  const tables: Record<string, string> = {};
  // A local port wins over a service port of the same number: that is where the application listens.
  for (const { ports, table } of routed) tables[ports[0]] ??= table;
  for (const { ports, table } of routed) for (const port of ports) tables[port] ??= table;
  // What bytes a port takes is not known here, that it takes no plain ones is.
  for (const port of [...services.map(({ ports: [local] }) => local), ...peerAuthentications.portsOf(node)]) if (isStrict(port)) tables[port] ??= TLS_REQUIRED_TABLE;
  const [only, ...others] = routed;
  return { kind: 'by-port', tables, unknown: only !== undefined && others.length === 0 ? only.table : isStrict() ? TLS_REQUIRED_TABLE : passthrough.name };
}

/** The table itself, where a listener leads to it. */
export function tlsRequiredTable(listeners: readonly ListenerConfig[]): readonly RouteTableConfig[] {
  const isNamed = ({ routing }: ListenerConfig): boolean => routing.kind === 'by-port' && [routing.unknown, ...Object.values(routing.tables)].includes(TLS_REQUIRED_TABLE);
  return listeners.some(isNamed) ? [TLS_REQUIRED] : [];
}

const TLS_REQUIRED: RouteTableConfig = {
  name: TLS_REQUIRED_TABLE,
  virtualHosts: [
    {
      name: TLS_REQUIRED_TABLE,
      domains: ['*'],
      routes: [{ name: 'mtls-required', match: MATCH_ALL, action: { kind: 'direct', status: 403, body: 'mutual TLS is required', encoding: 'utf8' }, retry: null, filters: [], index: -1 }],
      virtualService: null,
    },
  ],
};
