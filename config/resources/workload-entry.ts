/** WorkloadEntry: one endpoint outside Kubernetes (also the shape of ServiceEntry `endpoints[]`). */

import { isIP } from 'node:net';
import type { KindParser } from './kind.ts';
import { istioVersions, specKind } from './kind.ts';
import type { Report, Schema } from './schema.ts';
import { checked, map, object, portNumber, text, uint32 } from './schema.ts';
import { hostProblem, labels, nameLabelProblem } from './values.ts';

export interface WorkloadEntrySpec {
  /** IP, DNS name, `unix:///path` or `unix://@name`; may be absent where `network` is set. */
  readonly address?: string;
  /** Service port name → endpoint port. */
  readonly ports?: Readonly<Record<string, number>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly network?: string;
  /** `region/zone/subzone`. */
  readonly locality?: string;
  /** Default 1. */
  readonly weight?: number;
  readonly serviceAccount?: string;
}

const ports: Schema<Readonly<Record<string, number>>> = map(portNumber, (value, report) => {
  for (const name of Object.keys(value)) {
    const problem = nameLabelProblem(name);
    if (problem !== undefined) report.error([name], problem);
  }
});

/** What a WorkloadGroup's template may be: the address comes with the workload. */
export const workloadTemplate: Schema<WorkloadEntrySpec> = object<WorkloadEntrySpec>(
  { address: text, ports, labels, network: text, locality: text, weight: uint32, serviceAccount: text },
  { check: checkAddress },
);

/** An endpoint: has an address, or a network through whose gateway it is reached. */
export const workloadEntrySpec: Schema<WorkloadEntrySpec> = checked(workloadTemplate, ({ address = '', network = '' }, report) => {
  if (address === '' && network === '') report.error([], 'needs an address (or a network)');
});

export const workloadEntry: KindParser<WorkloadEntrySpec> = specKind(
  { kind: 'WorkloadEntry', apiVersions: istioVersions('networking', 'v1', 'v1beta1', 'v1alpha3') },
  workloadEntrySpec,
);

export function isUnixAddress(address: string): boolean {
  return address.startsWith('unix://');
}

/** Absolute path or abstract name, or why not. */
export function unixAddressProblem(address: string): string | undefined {
  const path = address.slice('unix://'.length);
  if (/^@./.test(path) || /^\/.*[^/]$/.test(path)) return undefined;
  return `${JSON.stringify(address)} is not a socket; write unix:///absolute/path or unix://@name`;
}

function checkAddress({ address = '', ports: named = {} }: WorkloadEntrySpec, report: Report): void {
  if (address === '') return;
  const problem = addressProblem(address);
  if (problem !== undefined) report.error(['address'], problem);
  if (isUnixAddress(address) && Object.keys(named).length > 0) report.error(['ports'], 'a unix socket has no ports');
}

function addressProblem(address: string): string | undefined {
  if (isUnixAddress(address)) return unixAddressProblem(address);
  if (isIP(address) !== 0) return undefined;
  const problem = hostProblem(address, { wildcard: false });
  return problem === undefined ? undefined : `${JSON.stringify(address)} is neither an IP address, a host name nor a unix:// socket`;
}
