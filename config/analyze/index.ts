/**
 * What is wrong between the resources of a snapshot, as `istioctl analyze` would say it, and which of their fields this
 * version does not act on. Findings of `validate`: nothing here keeps `run` from serving a snapshot, as nothing of it
 * keeps istiod from pushing it; `broken-references.ts` has those that `run` warns about.
 */

import type { Snapshot } from '../load/snapshot.ts';
import type { Problem } from '../runtime/problem.ts';
import { analyzeCoveredMatches } from './covered-matches.ts';
import { analyzeDelegateReferences } from './delegate-references.ts';
import { analyzeDestinationHosts } from './destination-hosts.ts';
import { analyzeDestinationRuleHosts } from './destination-rule-hosts.ts';
import { analyzeDestinationSubsets } from './destination-subsets.ts';
import { analyzeDryRunAnnotation } from './dry-run-annotation.ts';
import { analyzeEjectionShare } from './ejection-share.ts';
import { analyzeGatewayConflicts } from './gateway-conflicts.ts';
import { analyzeGatewayPorts } from './gateway-ports.ts';
import { analyzeGatewayReferences } from './gateway-references.ts';
import { analyzeHttp2Ports } from './http2-ports.ts';
import { analyzeMeshHosts } from './mesh-hosts.ts';
import { analyzeNotEnforced } from './not-enforced.ts';
import { analyzeSidecarSelectors, analyzeTelemetrySelectors } from './overlapping-selectors.ts';
import { analyzePeerAuthentications } from './peer-authentications.ts';
import { analyzePolicyPorts } from './policy-ports.ts';
import { analyzePortNames } from './port-names.ts';
import { analyzeSecretReferences } from './secret-references.ts';
import { analyzeSelectedWorkloads } from './selected-workloads.ts';
import { analyzeServiceEntryAddresses } from './service-entry-addresses.ts';
import { analyzeServiceEntryProtocols } from './service-entry-protocols.ts';
import { analyzeSubsetWorkloads } from './subset-workloads.ts';
import { analyzeTelemetryProviders } from './telemetry-providers.ts';
import { analyzeTlsWithoutAuthority } from './tls-without-authority.ts';
import { analyzeUnenforcedSecurity } from './unenforced-security.ts';
import type { Subject } from './subject.ts';
import { subjectOf } from './subject.ts';

/** One question asked of the whole snapshot; pure. */
export type Analyzer = (subject: Subject) => readonly Problem[];

const analyzers: readonly Analyzer[] = [
  analyzeDestinationHosts,
  analyzeDestinationSubsets,
  analyzeGatewayReferences,
  analyzeDelegateReferences,
  analyzeSecretReferences,
  analyzeMeshHosts,
  analyzeSidecarSelectors,
  analyzeTelemetrySelectors,
  analyzePortNames,
  analyzeSelectedWorkloads,
  analyzeTlsWithoutAuthority,
  analyzeCoveredMatches,
  analyzeServiceEntryAddresses,
  analyzeServiceEntryProtocols,
  analyzeGatewayConflicts,
  analyzeGatewayPorts,
  analyzeSubsetWorkloads,
  analyzeDestinationRuleHosts,
  analyzePolicyPorts,
  analyzeEjectionShare,
  analyzeTelemetryProviders,
  analyzeDryRunAnnotation,
  analyzePeerAuthentications,
  analyzeUnenforcedSecurity,
  analyzeNotEnforced,
  analyzeHttp2Ports,
];

/** All findings, in the order of the analyzers; the caller sorts. */
export function analyze(snapshot: Snapshot, clusterDomain?: string): readonly Problem[] {
  const subject = subjectOf(snapshot, clusterDomain);
  return analyzers.flatMap((analyzer) => analyzer(subject));
}
