/** Every kind a data plane reads: the snapshot's collections and the parsers that fill them. */

import { authorizationPolicy } from './authorization-policy.ts';
import { configMap } from './config-map.ts';
import { destinationRule } from './destination-rule.ts';
import { endpoints, endpointSlice } from './endpoint-slice.ts';
import { gateway } from './gateway.ts';
import type { KindParser } from './kind.ts';
import { namespace } from './namespace.ts';
import { node } from './node.ts';
import { peerAuthentication } from './peer-authentication.ts';
import { pod } from './pod.ts';
import { proxyConfig } from './proxy-config.ts';
import { requestAuthentication } from './request-authentication.ts';
import { secret } from './secret.ts';
import { service } from './service.ts';
import { serviceEntry } from './service-entry.ts';
import { sidecar } from './sidecar.ts';
import { telemetry } from './telemetry.ts';
import { virtualService } from './virtual-service.ts';
import { workloadEntry } from './workload-entry.ts';
import { workloadGroup } from './workload-group.ts';

/** Collection name in the Snapshot → parser of its kind. The mesh ConfigMap is the one exception (config/load/mesh.ts); of the others only those with authorities are kept. */
export const collections = {
  virtualServices: virtualService,
  destinationRules: destinationRule,
  gateways: gateway,
  serviceEntries: serviceEntry,
  workloadEntries: workloadEntry,
  workloadGroups: workloadGroup,
  sidecars: sidecar,
  peerAuthentications: peerAuthentication,
  requestAuthentications: requestAuthentication,
  authorizationPolicies: authorizationPolicy,
  telemetries: telemetry,
  proxyConfigs: proxyConfig,
  services: service,
  endpointSlices: endpointSlice,
  endpoints,
  pods: pod,
  namespaces: namespace,
  nodes: node,
  secrets: secret,
  configMaps: configMap,
} as const;

export type CollectionName = keyof typeof collections;

/** Body type of a collection's kind. */
export type BodyOf<Name extends CollectionName> = (typeof collections)[Name] extends KindParser<infer Body> ? Body : never;

export const collectionNames = Object.keys(collections) as readonly CollectionName[];
