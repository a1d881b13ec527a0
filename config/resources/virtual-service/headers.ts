/** `headers` of an HTTP route and of its destinations: what may be set, added and removed. */

import { validateHeaderValueFormat } from '../../../proxy/base/header-format.ts';
import type { Path } from '../finding.ts';
import type { Report, Schema } from '../schema.ts';
import { list, map, object, text } from '../schema.ts';
import { headerNameProblem, targetTextProblem } from '../values.ts';
import type { HeaderOperations, Headers } from './types.ts';

const operations: Schema<HeaderOperations> = object<HeaderOperations>({ set: map(text), add: map(text), remove: list(text) });

export const headers: Schema<Headers> = object<Headers>(
  { request: operations, response: operations },
  {
    check: ({ request, response }, report) => {
      if (request !== undefined) checkOperations(request, true, ['request'], report);
      if (response !== undefined) checkOperations(response, false, ['response'], report);
    },
  },
);

function checkOperations(value: HeaderOperations, isRequest: boolean, at: Path, report: Report): void {
  for (const operation of ['set', 'add'] as const) {
    const entries = Object.entries(value[operation] ?? {});
    for (const [name, text] of entries) {
      const problem = namedProblem(name, isRequest) ?? headerValueProblem(text) ?? (isAuthority(name) ? targetTextProblem(text) : undefined);
      if (problem !== undefined) report.error([...at, operation, name], problem);
      else if (isFraming(name)) report.warning([...at, operation, name], `${JSON.stringify(name)} has no effect: the proxy frames every message itself`);
    }
    const authorities = entries.filter(([name]) => isAuthority(name));
    if (authorities.length > 1) report.error([...at, operation, authorities[1]![0]], 'the authority is set twice (host and :authority are the same)');
  }
  for (const [index, name] of (value.remove ?? []).entries()) {
    const problem = isAuthority(name) ? `${JSON.stringify(name)} cannot be removed` : headerNameProblem(name);
    if (problem !== undefined) report.error([...at, 'remove', index], problem);
    else if (isFraming(name)) report.warning([...at, 'remove', index], `${JSON.stringify(name)} has no effect: the proxy frames every message itself`);
  }
}

function namedProblem(name: string, isRequest: boolean): string | undefined {
  if (isAuthority(name)) return isRequest ? undefined : `${JSON.stringify(name)} is a request header and cannot be set on a response`;
  if (name.startsWith(':')) return `${JSON.stringify(name)}: of the pseudo headers only :authority may be set`;
  return headerNameProblem(name);
}

/** Headers that the codec writes by what the body really is, whatever is asked for. */
function isFraming(name: string): boolean {
  return /^(?:content-length|transfer-encoding|connection)$/i.test(name);
}

function isAuthority(name: string): boolean {
  return /^(?:host|:authority)$/i.test(name);
}

/** Control characters, a `%` that neither opens nor closes an operator such as %DOWNSTREAM_REMOTE_ADDRESS%, or an operator that there is not. */
function headerValueProblem(value: string): string | undefined {
  if (/[\0\r\n]/.test(value)) return 'a header value must not contain line breaks';
  if (value.split('%').length % 2 === 0) return 'a single "%" is not allowed; write "%%", or %OPERATOR% for a value of the request';
  return validateHeaderValueFormat(value);
}
