/** PeerAuthentication: which mutual TLS mode a workload's ports require, and what clients may infer of it (istio-api.md 8.1, 8.3). */

import type { Resource } from '../load/types.ts';
import type { MtlsMode, PeerAuthenticationSpec } from '../resources/peer-authentication.ts';
import type { Origin } from '../runtime/origin.ts';
import type { Labels } from './labels.ts';
import { isEmpty, selects } from './labels.ts';
import type { Place } from './located.ts';
import { originAt } from './located.ts';
import { oldestFirst } from './order.ts';

export interface PeerMode {
  readonly mode: Exclude<MtlsMode, 'UNSET'>;
  /** Absent: Istio's default, PERMISSIVE. */
  readonly place?: Place;
}

export interface PeerWorkload {
  readonly namespace: string;
  readonly labels: Labels;
}

export interface PeerAuthentications {
  /** Of a workload's port, or of its ports in general. */
  modeOf(workload: PeerWorkload, port?: number): PeerMode;
  /** Of all workloads of a namespace, as far as they have nothing of their own: what clients go by. */
  namespaceMode(namespace: string): PeerMode;
  /** Ports for which the workload has a mode of its own. */
  portsOf(workload: PeerWorkload): readonly number[];
  /** False where no workload of the namespace has a mode of its own. */
  hasSelectors(namespace: string): boolean;
}

type Policy = Resource<PeerAuthenticationSpec>;

const DEFAULT_MODE: PeerMode = { mode: 'PERMISSIVE' };

/** Port, workload, namespace, mesh: the first that is set counts; of several policies on one level the oldest. */
export function peerAuthentications(resources: readonly Policy[], rootNamespace: string): PeerAuthentications {
  const general = new Map<string, Policy>();
  const selecting = new Map<string, Policy[]>();
  for (const policy of oldestFirst(resources)) {
    const { namespace } = policy.metadata;
    if (isEmpty(policy.spec.selector?.matchLabels)) {
      if (!general.has(namespace)) general.set(namespace, policy);
      // A selector in the root namespace does not count, not even for workloads of that namespace.
    } else if (namespace !== rootNamespace) {
      const known = selecting.get(namespace);
      if (known === undefined) selecting.set(namespace, [policy]);
      else known.push(policy);
    }
  }
  const ofWorkload = ({ namespace, labels }: PeerWorkload): Policy | undefined => selecting.get(namespace)?.find(({ spec }) => selects(spec.selector?.matchLabels, labels));
  const namespaceMode = (namespace: string): PeerMode => writtenMode(general.get(namespace)) ?? writtenMode(general.get(rootNamespace)) ?? DEFAULT_MODE;
  return {
    namespaceMode,
    modeOf: (workload, port) => {
      const own = ofWorkload(workload);
      return writtenPortMode(own, port) ?? writtenMode(own) ?? namespaceMode(workload.namespace);
    },
    portsOf: (workload) => Object.keys(ofWorkload(workload)?.spec.portLevelMtls ?? {}).map(Number),
    hasSelectors: (namespace) => selecting.has(namespace),
  };
}

export function peerOrigin({ place }: PeerMode): Origin | 'default' {
  return place === undefined ? 'default' : originAt(place);
}

function writtenMode(policy: Policy | undefined): PeerMode | undefined {
  const mode = policy?.spec.mtls?.mode;
  return policy === undefined || mode === undefined || mode === 'UNSET' ? undefined : { mode, place: { source: policy.source, path: ['spec', 'mtls', 'mode'] } };
}

function writtenPortMode(policy: Policy | undefined, port: number | undefined): PeerMode | undefined {
  const mode = port === undefined ? undefined : policy?.spec.portLevelMtls?.[port]?.mode;
  return policy === undefined || mode === undefined || mode === 'UNSET' ? undefined : { mode, place: { source: policy.source, path: ['spec', 'portLevelMtls', String(port), 'mode'] } };
}
