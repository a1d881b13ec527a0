/** `trafficPolicy` of a DestinationRule and of its subsets and ports. */

import type { Check, Schema } from '../schema.ts';
import { decimal, list, object, oneName, portNumber, uint32 } from '../schema.ts';
import { all, checkedText, duration, hostProblem, portSelector } from '../values.ts';
import { clientTls } from './client-tls.ts';
import { connectionPool } from './connection-pool.ts';
import { loadBalancer } from './load-balancer.ts';
import { outlierDetection } from './outlier-detection.ts';
import type { LocalityLbSetting, PortTrafficPolicy, RetryBudget, TrafficPolicy, TunnelSettings } from './types.ts';

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

/** Locality failover acts only where outlier detection finds hosts unhealthy. */
const checkFailover: Check<Pick<TrafficPolicy, 'loadBalancer' | 'outlierDetection'>> = (policy, report) => {
  const locality: LocalityLbSetting = policy.loadBalancer?.localityLbSetting ?? {};
  const field = (['failover', 'failoverPriority'] as const).find((name) => (locality[name] ?? []).length > 0);
  if (field === undefined || policy.outlierDetection !== undefined) return;
  report.warning(['loadBalancer', 'localityLbSetting', field], 'has no effect without outlierDetection');
};

const portPolicy: Schema<PortTrafficPolicy> = object<PortTrafficPolicy>(
  { port: portSelector, ...perPort },
  {
    required: ['port'],
    check: all<PortTrafficPolicy>(checkFailover, (policy, report) => {
      if (Object.keys(policy).length < 2) report.error([], 'sets nothing for this port; set loadBalancer, connectionPool, outlierDetection or tls');
    }),
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
    check: all<TrafficPolicy>(checkFailover, (policy, report) => {
      if (Object.keys(policy).length === 0) report.error([], 'is empty; set at least one field or leave it out');
      if (policy.tunnel !== undefined && policy.proxyProtocol !== undefined) report.error(['proxyProtocol'], 'cannot be combined with tunnel');
    }),
  },
);
