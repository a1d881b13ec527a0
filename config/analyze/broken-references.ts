/**
 * What a resource names and the snapshot does not have, or has twice: the findings of `validate` that say why a request
 * of this workload will be refused. Istiod pushes such a configuration, so for `run` they are warnings.
 */

import type { Snapshot } from '../load/snapshot.ts';
import type { Problem } from '../runtime/problem.ts';
import { analyzeDelegateReferences } from './delegate-references.ts';
import { analyzeDestinationHosts } from './destination-hosts.ts';
import { analyzeDestinationSubsets } from './destination-subsets.ts';
import { analyzeGatewayReferences } from './gateway-references.ts';
import { analyzeMeshHosts } from './mesh-hosts.ts';
import { subjectOf } from './subject.ts';

const analyzers = [analyzeDestinationHosts, analyzeDestinationSubsets, analyzeGatewayReferences, analyzeDelegateReferences, analyzeMeshHosts];

/** `clusterDomain`: as the proxy was told. */
export function analyzeBrokenReferences(snapshot: Snapshot, clusterDomain: string): readonly Problem[] {
  const subject = subjectOf(snapshot, clusterDomain);
  return analyzers.flatMap((analyzer) => analyzer(subject)).map((problem) => ({ ...problem, severity: 'warning' }));
}
