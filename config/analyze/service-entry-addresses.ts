/** IST0134: a TCP port without virtual addresses matches by port number alone, whatever the destination. */

import type { Problem } from '../runtime/problem.ts';
import { problemAt } from './problem-at.ts';
import type { Subject } from './subject.ts';

export function analyzeServiceEntryAddresses({ snapshot }: Subject): readonly Problem[] {
  const metadata = snapshot.meshConfig?.spec.defaultConfig?.proxyMetadata ?? {};
  if (metadata['ISTIO_META_DNS_CAPTURE'] === 'true' && metadata['ISTIO_META_DNS_AUTO_ALLOCATE'] === 'true') return [];
  return snapshot.serviceEntries.flatMap((entry) => {
    if ((entry.spec.addresses ?? []).length > 0) return [];
    return (entry.spec.ports ?? []).flatMap((port, index) => {
      const protocol = (port.protocol ?? '').toUpperCase();
      if (protocol !== '' && protocol !== 'TCP') return [];
      const message = `port ${port.number} carries ${protocol === '' ? 'a protocol that is not said' : 'TCP'} and the entry has no addresses: it takes every connection to that port`;
      return [problemAt(entry, 'warning', ['spec', 'ports', index], message, 'IST0134')];
    });
  });
}
