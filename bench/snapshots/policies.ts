/** The bench service with each set of policies of the `policies` scenario, as an Istio user writes them. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { benchPort, hashHeader } from '../config.ts';
import type { PolicyName } from '../types.ts';
import { hostDocuments, serviceDocuments, writeSnapshot } from './snapshot.ts';

/** The snapshot of `writeSnapshot`, its bench service balanced over all of `upstreamPorts` and with the policy's rules. */
export function writePolicySnapshot(folder: string, upstreamPorts: readonly number[], policy: PolicyName): void {
  const [first = 0] = upstreamPorts;
  writeSnapshot(folder, first, 0);
  const service = [serviceDocuments('bench', benchPort, first), ...upstreamPorts.map((port, index) => hostDocuments('bench', index, '127.0.0.1', port))];
  writeFileSync(join(folder, 'bench.yaml'), [...service, ...ruleDocuments(policy, first)].join('---\n'));
}

function ruleDocuments(policy: PolicyName, shadowPort: number): string[] {
  switch (policy) {
    case 'plain':
      return [];
    case 'retries-idle':
      return [virtualService(`  - ${destination}\n${retries}`)];
    case 'breakers':
      return [destinationRule(connectionPool)];
    case 'outlier':
      return [destinationRule(outlierDetection)];
    case 'mirror':
      return [virtualService(`  - ${destination}\n${mirror}`), serviceDocuments('shadow', benchPort, shadowPort), hostDocuments('shadow', 0, '127.0.0.1', shadowPort)];
    case 'consistent-hash':
      return [destinationRule(`    loadBalancer: {consistentHash: {httpHeaderName: ${hashHeader}}}\n`)];
    case 'all-policies':
      return [virtualService(`  - match: [{headers: {end-user: {exact: jason}}}]\n    ${destination}\n  - ${destination}\n${retries}`), destinationRule(connectionPool + outlierDetection)];
    default:
      return policy satisfies never;
  }
}

const destination = `route: [{destination: {host: bench, port: {number: ${benchPort}}}}]`;

const retries = `    timeout: 10s
    retries: {attempts: 3, perTryTimeout: 2s, retryOn: "5xx,reset,connect-failure"}
`;

const mirror = `    mirror: {host: shadow, port: {number: ${benchPort}}}
    mirrorPercentage: {value: 100}
`;

const connectionPool = `    connectionPool:
      tcp: {maxConnections: 1000, connectTimeout: 5s, tcpKeepalive: {time: 300s, interval: 75s}}
      http: {http1MaxPendingRequests: 1000, http2MaxRequests: 1000, maxRequestsPerConnection: 1000000, idleTimeout: 60s}
    retryBudget: {percent: 20, minRetryConcurrency: 3}
`;

const outlierDetection = `    outlierDetection: {consecutive5xxErrors: 5, consecutiveGatewayErrors: 3, interval: 10s, baseEjectionTime: 30s, maxEjectionPercent: 50}
`;

function virtualService(http: string): string {
  return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: bench, namespace: default}
spec:
  hosts: [bench]
  http:
${http}
`;
}

function destinationRule(trafficPolicy: string): string {
  return `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: bench, namespace: default}
spec:
  host: bench
  trafficPolicy:
${trafficPolicy}`;
}
