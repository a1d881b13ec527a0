/** `match` of an HTTP route. */

import type { Report, Schema } from '../schema.ts';
import { boolean, checked, map, object, portNumber, text } from '../schema.ts';
import { checkedText, headerNameProblem, labels, stringMatch } from '../values.ts';
import { gatewayNames } from './gateway-name.ts';
import type { HttpMatchRequest } from './types.ts';

const condition = stringMatch({ optional: true, presenceStar: true });
const plain = stringMatch();

/** Prefix of header keys that stand for claims of a verified JWT. */
export const claimPrefix = '@request.auth.claims';

/** The parts of the request line that HTTP/2 names as headers; a match may name them too. */
const pseudoHeaders: ReadonlySet<string> = new Set([':method', ':scheme', ':authority', ':path', ':status']);

const headerConditions = checked(map(condition), (value, report) => {
  for (const name of Object.keys(value)) checkHeaderKey(name, report);
});

export const httpMatchRequest: Schema<HttpMatchRequest> = object<HttpMatchRequest>({
  name: text,
  uri: stringMatch({ emptyPrefix: true }),
  ignoreUriCase: boolean,
  scheme: plain,
  method: plain,
  authority: plain,
  headers: headerConditions,
  withoutHeaders: headerConditions,
  queryParams: map(condition, (value, report) => {
    if ('' in value) report.error([''], 'a query parameter needs a name');
  }),
  port: portNumber,
  sourceLabels: labels,
  sourceNamespace: text,
  gateways: gatewayNames,
  statPrefix: checkedText((value) => (value === '' ? 'must not be empty' : undefined)),
});

function checkHeaderKey(name: string, report: Report): void {
  if (name.startsWith(claimPrefix)) {
    if (!isClaimKey(name)) report.error([name], `${JSON.stringify(name)} is not a claim; write ${claimPrefix}.name or ${claimPrefix}[name]`);
    return;
  }
  if (pseudoHeaders.has(name)) return;
  const problem = headerNameProblem(name);
  if (problem !== undefined) report.error([name], problem);
  if (/^(?:uri|scheme|method|authority)$/.test(name)) report.warning([name], `is ignored as a header; use the field ${name} of the match`);
}

/** `@request.auth.claims.a.b` or `@request.auth.claims[a][b]`. */
function isClaimKey(name: string): boolean {
  return /^(?:(?:\.[^.[\]]+)+|(?:\[[^[\]]+\])+)$/.test(name.slice(claimPrefix.length));
}
