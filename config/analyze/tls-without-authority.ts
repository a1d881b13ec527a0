/** IST0128 / IST0129: TLS is originated and nothing is said about who may sign the server's certificate. */

import type { Problem } from '../runtime/problem.ts';
import { problemAt } from './problem-at.ts';
import type { Subject } from './subject.ts';
import { trafficPoliciesOf } from './traffic-policies.ts';

export function analyzeTlsWithoutAuthority({ snapshot }: Subject): readonly Problem[] {
  return snapshot.destinationRules.flatMap((rule) =>
    trafficPoliciesOf(rule.spec).flatMap(({ policy: { tls }, path, port }) => {
      if (tls === undefined || (tls.mode !== 'SIMPLE' && tls.mode !== 'MUTUAL')) return [];
      // The credential may hold the authority; skipping the check is the author's word.
      const given = [tls.caCertificates, tls.credentialName].some((value) => value !== undefined && value !== '');
      if (given || tls.insecureSkipVerify === true) return [];
      const where = port === undefined ? rule.spec.host : `${rule.spec.host}:${port}`;
      const message = `TLS mode ${tls.mode} for ${where} without caCertificates: the server is verified against the authorities of the operating system only`;
      return [problemAt(rule, 'warning', [...path, 'tls'], message, port === undefined ? 'IST0128' : 'IST0129')];
    }),
  );
}
