/** IST0157: access logging without a provider does nothing; IST0101: a named provider is not in the mesh configuration. */

import type { Resource } from '../load/snapshot.ts';
import type { Path } from '../resources/finding.ts';
import { suggestion } from '../resources/suggest.ts';
import type { TelemetrySpec } from '../resources/telemetry.ts';
import type { Problem } from '../runtime/problem.ts';
import { problemAt } from './problem-at.ts';
import type { Subject } from './subject.ts';

/** Always there (istio-api.md section 12, extensionProviders). */
const BUILT_IN = ['prometheus', 'stackdriver', 'envoy'];

export function analyzeTelemetryProviders({ snapshot }: Subject): readonly Problem[] {
  const mesh = snapshot.meshConfig?.spec;
  const hasDefault = (mesh?.defaultProviders?.accessLogging ?? []).length > 0;
  // Without the mesh configuration nobody can say which providers there are.
  const known = mesh === undefined ? undefined : [...BUILT_IN, ...(mesh.extensionProviders ?? []).map(({ name }) => name)];
  return [
    ...snapshot.telemetries.flatMap((telemetry) => [...(hasDefault ? [] : withoutProvider(telemetry)), ...(known === undefined ? [] : unknownProviders(telemetry, known))]),
    ...(known === undefined ? [] : snapshot.authorizationPolicies.flatMap((policy) => unknownProvider(policy, ['spec', 'provider', 'name'], policy.spec.provider?.name, known))),
  ];
}

function withoutProvider(telemetry: Resource<TelemetrySpec>): readonly Problem[] {
  return (telemetry.spec.accessLogging ?? []).flatMap(({ providers = [] }, index) => {
    if (providers.length > 0) return [];
    const message = 'names no provider and the mesh configuration has no default one (defaultProviders.accessLogging): it is ignored';
    return [problemAt(telemetry, 'warning', ['spec', 'accessLogging', index], message, 'IST0157')];
  });
}

function unknownProviders(telemetry: Resource<TelemetrySpec>, known: readonly string[]): readonly Problem[] {
  return (['metrics', 'tracing', 'accessLogging'] as const).flatMap((part) =>
    (telemetry.spec[part] ?? []).flatMap(({ providers = [] }, index) =>
      providers.flatMap(({ name }, i) => unknownProvider(telemetry, ['spec', part, index, 'providers', i, 'name'], name, known)),
    ),
  );
}

function unknownProvider(resource: Resource<unknown>, path: Path, name: string | undefined, known: readonly string[]): readonly Problem[] {
  if (name === undefined || known.includes(name)) return [];
  return [problemAt(resource, 'error', path, `provider ${JSON.stringify(name)} is not in the mesh configuration's extensionProviders${suggestion(name, known)}`, 'IST0101')];
}
