/** IST0101: a Gateway or DestinationRule names a Secret or ConfigMap for TLS that the snapshot does not have. */

import { isEmpty } from '../compile/labels.ts';
import { CONFIG_MAP } from '../compile/secret-reference.ts';
import type { Resource } from '../load/snapshot.ts';
import type { DestinationRuleSpec } from '../resources/destination-rule.ts';
import type { Path } from '../resources/finding.ts';
import type { GatewaySpec } from '../resources/gateway.ts';
import type { Problem } from '../runtime/problem.ts';
import { problemAt } from './problem-at.ts';
import type { Subject } from './subject.ts';
import { selectWorkloads } from './subject.ts';
import { trafficPoliciesOf } from './traffic-policies.ts';

/** `namespace/name` of Secrets, `configmap://namespace/name` of ConfigMaps; those with errors of their own are there too. */
type Known = ReadonlySet<string>;

export function analyzeSecretReferences(subject: Subject): readonly Problem[] {
  const { secrets, configMaps, gateways, destinationRules } = subject.snapshot;
  const broken = (kind: string, prefix = ''): readonly string[] => [...subject.broken].filter((resource) => resource.startsWith(`${kind} `)).map((resource) => `${prefix}${resource.slice(kind.length + 1)}`);
  const known: Known = new Set([
    ...broken('Secret'),
    ...broken('ConfigMap', CONFIG_MAP),
    ...secrets.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`),
    ...configMaps.map(({ metadata }) => `${CONFIG_MAP}${metadata.namespace}/${metadata.name}`),
  ]);
  return [
    ...gateways.flatMap((gateway) => checkGateway(gateway, known, subject)),
    ...destinationRules.flatMap((rule) => checkRule(rule, known, subject)),
  ];
}

/** Of chosen workloads in the rule's namespace; else of gateways, whose namespaces are their own. The authorities may be in a secret apart. */
function checkRule(rule: Resource<DestinationRuleSpec>, known: Known, { snapshot }: Subject): readonly Problem[] {
  const own = rule.metadata.namespace;
  const namespaces = isEmpty(rule.spec.workloadSelector?.matchLabels) ? everyNamespace(own, snapshot.secrets) : [own];
  return trafficPoliciesOf(rule.spec).flatMap(({ policy, path }) => {
    const name = policy.tls?.credentialName;
    const missing = name !== undefined && isMissing(name, namespaces, known) && isMissing(`${name}-cacert`, namespaces, known);
    return missing ? [report(rule, [...path, 'tls', 'credentialName'], name, namespaces)] : [];
  });
}

function checkGateway(gateway: Resource<GatewaySpec>, known: Known, subject: Subject): readonly Problem[] {
  const namespaces = namespacesOf(gateway, subject);
  return gateway.spec.servers.flatMap(({ tls }, index) => {
    if (tls === undefined) return [];
    const base: Path = ['spec', 'servers', index, 'tls'];
    const named: readonly (readonly [Path, string | undefined])[] = [
      [[...base, 'credentialName'], tls.credentialName],
      ...(tls.credentialNames ?? []).map((name, i) => [[...base, 'credentialNames', i], name] as const),
      [[...base, 'caCertCredentialName'], tls.caCertCredentialName],
    ];
    return named.flatMap(([path, name]) => (name !== undefined && isMissing(name, namespaces, known) ? [report(gateway, path, name, namespaces)] : []));
  });
}

/** Secrets are read in the gateway workload's namespace: that of its pods where the snapshot has them, else any. */
function namespacesOf(gateway: Resource<GatewaySpec>, subject: Subject): readonly string[] {
  const pods = selectWorkloads(subject, undefined, gateway.spec.selector ?? {});
  if (pods.length > 0) return [...new Set(pods.map((pod) => pod.namespace))];
  return everyNamespace(gateway.metadata.namespace, subject.snapshot.secrets);
}

function everyNamespace(own: string, secrets: readonly Resource<unknown>[]): readonly string[] {
  return [...new Set([own, ...secrets.map(({ metadata }) => metadata.namespace)])];
}

function isMissing(name: string, namespaces: readonly string[], known: Known): boolean {
  if (name === '') return false;
  if (name.startsWith(CONFIG_MAP)) return !known.has(name);
  const bare = name.replace(/^kubernetes:\/\/(?:[^/]+\/)?/, '');
  return !namespaces.some((namespace) => known.has(`${namespace}/${bare}`));
}

function report(resource: Resource<unknown>, path: Path, name: string, namespaces: readonly string[]): Problem {
  const [kind, where] = name.startsWith(CONFIG_MAP) ? ['ConfigMap', 'with authorities (ca.crt)'] : ['Secret', namespaces.length === 1 ? `in namespace ${namespaces[0]}` : 'in any namespace'];
  return problemAt(resource, 'error', path, `there is no ${kind} ${JSON.stringify(name)} ${where}`, 'IST0101');
}
