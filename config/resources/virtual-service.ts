/** VirtualService: who answers for a host, request by request. */

import type { KindParser } from './kind.ts';
import { istioVersions, specKind } from './kind.ts';
import { list, object } from './schema.ts';
import { all, exportTo, hostName } from './values.ts';
import { gatewayNames } from './virtual-service/gateway-name.ts';
import { httpRoute } from './virtual-service/http-route.ts';
import { tcpRoute, tlsRoute } from './virtual-service/l4-route.ts';
import { warnOfUnreachable } from './virtual-service/reachability.ts';
import { checkVirtualService } from './virtual-service/rules.ts';
import type { VirtualServiceSpec } from './virtual-service/types.ts';

export type * from './virtual-service/types.ts';

export const virtualService: KindParser<VirtualServiceSpec> = specKind(
  { kind: 'VirtualService', apiVersions: istioVersions('networking', 'v1', 'v1beta1', 'v1alpha3') },
  object<VirtualServiceSpec>(
    {
      hosts: list(hostName()),
      gateways: gatewayNames,
      http: list(httpRoute),
      tls: list(tlsRoute),
      tcp: list(tcpRoute),
      exportTo: exportTo({ none: false }),
    },
    { check: all<VirtualServiceSpec>(checkVirtualService, (spec, report) => warnOfUnreachable(spec.http ?? [], report)) },
  ),
);
