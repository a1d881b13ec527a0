/** `trafficPolicy` of a DestinationRule and of its subsets and ports. */

import type { Path } from '../finding.ts';
import type { Report, Schema } from '../schema.ts';
import { decimal, list, object, oneName, portNumber, uint32 } from '../schema.ts';
import { all, checkedText, duration, hostProblem, portSelector } from '../values.ts';
import { clientTls } from './client-tls.ts';
import { connectionPool } from './connection-pool.ts';
import { loadBalancer } from './load-balancer.ts';
import { outlierDetection } from './outlier-detection.ts';
import type { LocalityLbSetting, OutlierDetection, PortTrafficPolicy, RetryBudget, TrafficPolicy, TunnelSettings } from './types.ts';

type ProxyProtocol = NonNullable<TrafficPolicy['proxyProtocol']>;

const tunnel: Schema<TunnelSettings> = object<TunnelSettings>(
  { protocol: oneName(['CONNECT', 'POST']), targetHost: checkedText((host) => hostProblem(host, { wildcard: false })), targetPort: portNumber },
  { required: ['targetHost', 'targetPort'] },
);

const retryBudget: Schema<RetryBudget> = object<RetryBudget>({
  percent: decimal(0, 100),
  minRetryConcurrency: uint32,
  budgetInterval: duration(),
});

const perPort = { loadBalancer, connectionPool, outlierDetection, tls: clientTls };

const portPolicy: Schema<PortTrafficPolicy> = object<PortTrafficPolicy>(
  { port: portSelector, ...perPort },
  {
    required: ['port'],
    check: (policy, report) => {
      if (Object.keys(policy).length < 2) report.error([], 'sets nothing for this port; set loadBalancer, connectionPool, outlierDetection or tls');
    },
  },
);

export const trafficPolicy: Schema<TrafficPolicy> = object<TrafficPolicy>(
  {
    ...perPort,
    portLevelSettings: list(portPolicy, { max: 4096 }),
    tunnel,
    proxyProtocol: object<ProxyProtocol>({ version: oneName(['V1', 'V2']) }),
    retryBudget,
  },
  {
    check: all<TrafficPolicy>(checkPortLevels, (policy, report) => {
      if (Object.keys(policy).length === 0) report.error([], 'is empty; set at least one field or leave it out');
      if (policy.tunnel !== undefined && policy.proxyProtocol !== undefined) report.error(['proxyProtocol'], 'cannot be combined with tunnel');
      if (policy.retryBudget !== undefined && (policy.connectionPool?.http?.maxRetries ?? 0) > 0) {
        report.warning(['connectionPool', 'http', 'maxRetries'], 'has no effect beside retryBudget, which takes its place');
      }
    }),
  },
);

/**
 * Locality failover acts only where outlier detection finds hosts unhealthy. `inherited`: the rule's own, which a subset
 * keeps where it has none; a port does not.
 */
export function checkFailover(policy: TrafficPolicy, inherited: OutlierDetection | undefined, report: Report, at: Path): void {
  warnOfFailover(policy, inherited, report, at);
  for (const [index, entry] of (policy.portLevelSettings ?? []).entries()) warnOfFailover(entry, undefined, report, [...at, 'portLevelSettings', index]);
}

function warnOfFailover({ loadBalancer: balancer, outlierDetection: detection }: Blocks, inherited: OutlierDetection | undefined, report: Report, at: Path): void {
  const locality: LocalityLbSetting = balancer?.localityLbSetting ?? {};
  const field = (['failover', 'failoverPriority'] as const).find((name) => (locality[name] ?? []).length > 0);
  if (field === undefined || (detection ?? inherited) !== undefined) return;
  report.warning([...at, 'loadBalancer', 'localityLbSetting', field], "has no effect without outlierDetection, here or in the mesh's defaultTrafficPolicy");
}

type Blocks = Pick<TrafficPolicy, 'loadBalancer' | 'outlierDetection'>;

/** An entry for a port takes the place of the whole policy, which is easily overlooked. */
function checkPortLevels(policy: TrafficPolicy, report: Report): void {
  const lost = (['retryBudget', 'tunnel', 'proxyProtocol'] as const).filter((field) => policy[field] !== undefined);
  const seen = new Set<number>();
  for (const [index, entry] of (policy.portLevelSettings ?? []).entries()) {
    const { number } = entry.port;
    if (seen.has(number)) report.warning(['portLevelSettings', index, 'port', 'number'], `has no effect: an earlier entry for the port ${number} counts`);
    else warnOfLost([...(Object.keys(perPort) as (keyof typeof perPort)[]).filter((field) => policy[field] !== undefined && entry[field] === undefined), ...lost], index, report);
    seen.add(number);
  }
}

function warnOfLost(fields: readonly string[], index: number, report: Report): void {
  if (fields.length === 0) return;
  const verb = fields.length === 1 ? 'is' : 'are';
  report.warning(['portLevelSettings', index], `${fields.join(', ')} of the policy above ${verb} not inherited by a port: the defaults apply to it`);
}
