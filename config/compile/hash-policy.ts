/** DestinationRule `consistentHash`: what of a request decides the host, destination by destination (istio-api.md 3.4). */

import type { ConsistentHash, TrafficPolicy } from '../resources/traffic-policy/types.ts';
import type { HashPolicyConfig } from '../runtime/route.ts';
import type { DestinationRules, EffectiveRule } from './destination-rules.ts';
import type { MeshSettings } from './mesh.ts';
import type { MeshService } from './mesh-service.ts';
import { effectivePolicy } from './traffic-policy.ts';

/** Undefined where the cluster's balancer does not hash, or has nothing to hash by and takes a random host. */
export interface HashPolicies {
  /** Of a VirtualService's destination. */
  ofDestination(service: MeshService, destination: HashedDestination): HashPolicyConfig | undefined;
  /** Of a service that no VirtualService routes to. */
  ofService(service: MeshService, port: number): HashPolicyConfig | undefined;
}

export interface HashedDestination {
  readonly port: number;
  readonly subset: string;
  /** The destination itself names the port; only then do settings for single ports count. */
  readonly portWritten: boolean;
}

export interface HashPolicyInput {
  readonly rules: DestinationRules;
  readonly mesh: MeshSettings;
  readonly mode: 'sidecar' | 'gateway';
}

export function hashPolicies(input: HashPolicyInput): HashPolicies {
  return {
    ofDestination: (service, destination) => {
      const rule = input.rules.ruleFor(service);
      const written = rule && ofDestination(rule, destination);
      return rule && written && compiled(written, { rule, service, ...destination }, input);
    },
    ofService: (service, port) => {
      const rule = input.rules.ruleFor(service);
      const policy = rule?.trafficPolicy?.value;
      const written = ofPort(policy, port) ?? policy?.loadBalancer?.consistentHash;
      return rule && written && compiled(written, { rule, service, port, subset: '' }, input);
    },
  };
}

/** The subset's setting for the port, the subset's, the rule's for the port, the rule's. */
function ofDestination({ trafficPolicy, subsets }: EffectiveRule, { port, subset, portWritten }: HashedDestination): ConsistentHash | undefined {
  const ofSubset = subset === '' ? undefined : subsets.find(({ value }) => value.name === subset)?.value.trafficPolicy;
  const ofRule = trafficPolicy?.value;
  for (const policy of [ofSubset, ofRule]) {
    const hash = (portWritten ? ofPort(policy, port) : undefined) ?? policy?.loadBalancer?.consistentHash;
    if (hash !== undefined) return hash;
  }
  return undefined;
}

function ofPort(policy: TrafficPolicy | undefined, port: number): ConsistentHash | undefined {
  return policy?.portLevelSettings?.find((entry) => entry.port.number === port)?.loadBalancer?.consistentHash;
}

interface Target {
  readonly rule: EffectiveRule;
  readonly service: MeshService;
  readonly port: number;
  readonly subset: string;
}

/** The cluster follows inheritance by blocks, the route the order above, so the two may differ; a balancer that does not hash asks for no key. */
function compiled(written: ConsistentHash, { rule, service, port, subset }: Target, { mesh, mode }: HashPolicyInput): HashPolicyConfig | undefined {
  const passesThrough = service.resolution === 'DYNAMIC_DNS' || (service.resolution === 'NONE' && mode === 'sidecar');
  const hashes = !passesThrough && effectivePolicy(rule, port, subset, mesh).loadBalancer?.value.consistentHash !== undefined;
  return hashes ? hashPolicyConfig(written) : undefined;
}

/** One object for all destinations that use the same setting. */
const known = new WeakMap<ConsistentHash, HashPolicyConfig>();

function hashPolicyConfig(written: ConsistentHash): HashPolicyConfig | undefined {
  const before = known.get(written);
  if (before !== undefined) return before;
  const config = createHashPolicy(written);
  if (config !== undefined) known.set(written, config);
  return config;
}

function createHashPolicy({ httpHeaderName, httpCookie, useSourceIp, httpQueryParameterName }: ConsistentHash): HashPolicyConfig | undefined {
  if (httpHeaderName !== undefined) return { kind: 'header', name: httpHeaderName.toLowerCase() };
  if (httpQueryParameterName !== undefined) return { kind: 'query', name: httpQueryParameterName };
  if (useSourceIp === true) return { kind: 'source-ip' };
  if (httpCookie === undefined) return undefined;
  const { name, path = '', ttl, attributes = [] } = httpCookie;
  return {
    kind: 'cookie',
    name,
    ...(path !== '' && { path }),
    ...(ttl !== undefined && { ttlMs: ttl }),
    attributes: attributes.map((attribute) => [attribute.name, attribute.value ?? ''] as const),
  };
}
