/** What a DestinationRule says about single connections to a destination: idle limit, hashing, tunnel (istio-api.md 3.4, 3.6, 3.9). */

import type { TunnelSettings } from '../resources/traffic-policy/types.ts';
import type { TcpRouteConfig } from '../runtime/filter-chain.ts';
import type { CompileContext } from './context.ts';
import type { EffectiveRule } from './destination-rules.ts';
import type { MeshService } from './mesh-service.ts';
import { domainOf } from './names.ts';
import { effectivePolicy } from './traffic-policy.ts';

export type ConnectionSettings = Pick<TcpRouteConfig, 'idleTimeoutMs' | 'hashBySourceIp' | 'tunnel'>;

/** `subset` is empty where the route has several destinations: then none of them has a say. */
export function connectionSettings(service: MeshService, { port, subset }: { readonly port: number; readonly subset: string }, { rules, mesh }: Pick<CompileContext, 'rules' | 'mesh'>): ConnectionSettings {
  const rule = rules.ruleFor(service);
  const { connectionPool, loadBalancer } = effectivePolicy(rule, port, subset, mesh);
  const idleTimeoutMs = connectionPool?.value.tcp?.idleTimeout;
  const hashBySourceIp = loadBalancer?.value.consistentHash?.useSourceIp === true;
  const tunnel = rule === undefined ? undefined : tunnelOf(rule, subset);
  return {
    ...(idleTimeoutMs !== undefined && { idleTimeoutMs }),
    ...(hashBySourceIp && { hashBySourceIp }),
    ...(tunnel !== undefined && { tunnel: tunnelConfig(tunnel) }),
  };
}

/** The subset's, else the rule's; entries for single ports have none and take none away. */
function tunnelOf({ trafficPolicy, subsets }: EffectiveRule, subset: string): TunnelSettings | undefined {
  const ofSubset = subset === '' ? undefined : subsets.find(({ value }) => value.name === subset)?.value.trafficPolicy;
  return ofSubset?.tunnel ?? trafficPolicy?.value.tunnel;
}

function tunnelConfig({ protocol = 'CONNECT', targetHost, targetPort }: TunnelSettings): NonNullable<TcpRouteConfig['tunnel']> {
  return { protocol, authority: `${domainOf(targetHost)}:${targetPort}` };
}
