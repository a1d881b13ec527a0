/** ServiceEntry: a host the registry would not know otherwise. */

import type { WorkloadEntrySpec } from './workload-entry.ts';

export interface ServiceEntrySpec {
  /** At least one; exact or `*.x`. */
  readonly hosts: readonly string[];
  /** IP addresses or CIDR blocks. */
  readonly addresses?: readonly string[];
  readonly ports?: readonly ServicePort[];
  /** Default MESH_EXTERNAL. */
  readonly location?: 'MESH_EXTERNAL' | 'MESH_INTERNAL';
  /** Default NONE. */
  readonly resolution?: 'NONE' | 'STATIC' | 'DNS' | 'DNS_ROUND_ROBIN' | 'DYNAMIC_DNS';
  readonly endpoints?: readonly WorkloadEntrySpec[];
  readonly workloadSelector?: { readonly labels?: Readonly<Record<string, string>> };
  readonly exportTo?: readonly string[];
  readonly subjectAltNames?: readonly string[];
}

export interface ServicePort {
  readonly number: number;
  readonly name: string;
  /** As written; absent or empty = sniffed. Compare in upper case. */
  readonly protocol?: string;
  /** Default: `number`. */
  readonly targetPort?: number;
}
