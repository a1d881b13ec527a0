/** `tls` and `tcp` routes. */

import type { Report, Schema } from '../schema.ts';
import { list, object, portNumber, text } from '../schema.ts';
import { checkedText, hostProblem, labels, subnet } from '../values.ts';
import { l4Destinations } from './destinations.ts';
import { gatewayNames } from './gateway-name.ts';
import type { L4MatchAttributes, TcpRoute, TlsMatchAttributes, TlsRoute } from './types.ts';

const shared = { destinationSubnets: list(subnet), port: portNumber, sourceLabels: labels, sourceNamespace: text, gateways: gatewayNames };

const tlsMatch: Schema<TlsMatchAttributes> = object<TlsMatchAttributes>(
  { sniHosts: list(checkedText((host) => hostProblem(host)), { min: 1 }), ...shared },
  { required: ['sniHosts'] },
);

const tcpMatch: Schema<L4MatchAttributes> = object<L4MatchAttributes>(
  { sourceSubnet: subnet, ...shared },
  {
    check: (match, report) => {
      if (match.sourceSubnet !== undefined) report.notEnforced(['sourceSubnet'], 'has no effect, in Istio neither; use an AuthorizationPolicy with ipBlocks');
    },
  },
);

function needsRoute(route: { readonly route?: unknown }, report: Report): void {
  if (route.route === undefined) report.error([], 'needs route');
}

export const tlsRoute: Schema<TlsRoute> = object<TlsRoute>({ match: list(tlsMatch, { min: 1 }), route: l4Destinations }, { required: ['match'], check: needsRoute });

export const tcpRoute: Schema<TcpRoute> = object<TcpRoute>({ match: list(tcpMatch), route: l4Destinations }, { check: needsRoute });
