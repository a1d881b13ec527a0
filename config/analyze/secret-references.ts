/** IST0101: a Gateway or DestinationRule names a TLS secret that the snapshot does not have. */

import type { Resource } from '../load/snapshot.ts';
import type { Path } from '../resources/finding.ts';
import type { GatewaySpec } from '../resources/gateway.ts';
import type { Problem } from '../runtime/problem.ts';
import { problemAt } from './problem-at.ts';
import type { Subject } from './subject.ts';
import { selectWorkloads } from './subject.ts';
import { trafficPoliciesOf } from './traffic-policies.ts';

/** Says that the authority comes from a ConfigMap, which this program does not read. */
const CONFIG_MAP = 'configmap://';

export function analyzeSecretReferences(subject: Subject): readonly Problem[] {
  const broken = [...subject.broken].filter((resource) => resource.startsWith('Secret ')).map((resource) => resource.slice('Secret '.length));
  const secrets = new Set([...broken, ...subject.snapshot.secrets.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`)]);
  return [
    ...subject.snapshot.gateways.flatMap((gateway) => checkGateway(gateway, secrets, subject)),
    ...subject.snapshot.destinationRules.flatMap((rule) =>
      trafficPoliciesOf(rule.spec).flatMap(({ policy, path }) => {
        const name = policy.tls?.credentialName;
        const missing = name !== undefined && isMissing(name, [rule.metadata.namespace], secrets);
        return missing ? [report(rule, [...path, 'tls', 'credentialName'], name, [rule.metadata.namespace])] : [];
      }),
    ),
  ];
}

function checkGateway(gateway: Resource<GatewaySpec>, secrets: ReadonlySet<string>, subject: Subject): readonly Problem[] {
  const namespaces = namespacesOf(gateway, subject);
  return gateway.spec.servers.flatMap(({ tls }, index) => {
    if (tls === undefined) return [];
    const base: Path = ['spec', 'servers', index, 'tls'];
    const named: readonly (readonly [Path, string | undefined])[] = [
      [[...base, 'credentialName'], tls.credentialName],
      ...(tls.credentialNames ?? []).map((name, i) => [[...base, 'credentialNames', i], name] as const),
      [[...base, 'caCertCredentialName'], tls.caCertCredentialName],
    ];
    return named.flatMap(([path, name]) => (name !== undefined && isMissing(name, namespaces, secrets) ? [report(gateway, path, name, namespaces)] : []));
  });
}

/** Secrets are read in the gateway workload's namespace: that of its pods where the snapshot has them, else any. */
function namespacesOf(gateway: Resource<GatewaySpec>, subject: Subject): readonly string[] {
  const pods = selectWorkloads(subject, undefined, gateway.spec.selector ?? {});
  if (pods.length > 0) return [...new Set(pods.map((pod) => pod.namespace))];
  return [...new Set([gateway.metadata.namespace, ...subject.snapshot.secrets.map(({ metadata }) => metadata.namespace)])];
}

function isMissing(name: string, namespaces: readonly string[], secrets: ReadonlySet<string>): boolean {
  if (name === '' || name.startsWith(CONFIG_MAP)) return false;
  const bare = name.replace(/^kubernetes:\/\/(?:[^/]+\/)?/, '');
  return !namespaces.some((namespace) => secrets.has(`${namespace}/${bare}`));
}

function report(resource: Resource<unknown>, path: Path, name: string, namespaces: readonly string[]): Problem {
  const where = namespaces.length === 1 ? `namespace ${namespaces[0]}` : 'any namespace';
  return problemAt(resource, 'error', path, `there is no Secret ${JSON.stringify(name)} in ${where}`, 'IST0101');
}
