/** Names of gateways in a VirtualService: `mesh`, `name`, `namespace/name`, and the old `name.namespace.svc.cluster.local`. */

import type { Report, Schema } from '../schema.ts';
import { list, text } from '../schema.ts';
import { dnsLabelProblem, hostProblem } from '../values.ts';

export const gatewayNames: Schema<readonly string[]> = list(text, { check: checkGatewayNames });

function checkGatewayNames(names: readonly string[], report: Report): void {
  for (const [index, name] of names.entries()) {
    const problem = gatewayNameProblem(name);
    if (problem !== undefined) report.error([index], problem);
    else if (!name.includes('/') && name.includes('.')) report.warning([index], `${JSON.stringify(name)}: this form is deprecated; write namespace/name`);
  }
}

function gatewayNameProblem(name: string): string | undefined {
  if (name === '') return 'a gateway name must not be empty';
  const slash = name.indexOf('/');
  if (slash === -1) return hostProblem(name, { wildcard: false, ip: false });
  const namespace = name.slice(0, slash);
  const problem = dnsLabelProblem(namespace) === undefined ? dnsLabelProblem(name.slice(slash + 1)) : `${JSON.stringify(namespace)} is not a namespace`;
  return problem === undefined ? undefined : `${JSON.stringify(name)}: ${problem}; write namespace/name`;
}
