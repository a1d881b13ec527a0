/** Which address families the workload has, and so which addresses stand for all of one family. */

import { isIPv4, isIPv6 } from 'node:net';
import type { CompileContext } from './context.ts';
import { podAddresses } from './workloads.ts';

/** `0.0.0.0`, `::` or both; IPv4 where nothing is known. */
export function wildcardAddresses({ node, endpoints }: Pick<CompileContext, 'node' | 'endpoints'>): readonly string[] {
  const pod = endpoints.workloads.pod(node.namespace, node.name);
  const own = [node.ip, ...(pod === undefined ? [] : podAddresses(pod))];
  // Bound to `::`, the capture listeners take connections of both.
  const both = node.bothFamilies === true || isIPv6(node.bindAddress);
  const v6 = both || own.some((address) => isIPv6(address));
  const v4 = both || !v6 || own.some((address) => isIPv4(address));
  return [...(v4 ? ['0.0.0.0'] : []), ...(v6 ? ['::'] : [])];
}
