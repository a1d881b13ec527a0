/** `corsPolicy` of an HTTP route. */

import type { Report, Schema } from '../schema.ts';
import { boolean, list, object, oneName, text } from '../schema.ts';
import { suggestion } from '../suggest.ts';
import { checkedText, duration, headerNameProblem, stringMatch } from '../values.ts';
import type { CorsPolicy } from './types.ts';

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', '*'];

const method = checkedText((name) => (methods.includes(name) ? undefined : `${JSON.stringify(name)} is not a method${suggestion(name, methods)}`));
const headerName = checkedText((name) => (name === '*' ? undefined : headerNameProblem(name)));

export const corsPolicy: Schema<CorsPolicy> = object<CorsPolicy>(
  {
    allowOrigins: list(stringMatch()),
    allowOrigin: list(text),
    allowMethods: list(method),
    allowHeaders: list(headerName),
    exposeHeaders: list(headerName),
    maxAge: duration({ minMs: 1, wholeSeconds: true }),
    allowCredentials: boolean,
    unmatchedPreflights: oneName(['UNSPECIFIED', 'FORWARD', 'IGNORE']),
  },
  {
    check: (policy, report: Report) => {
      if (policy.allowOrigin === undefined) return;
      report.deprecated(['allowOrigin'], policy.allowOrigins === undefined ? 'is deprecated; use allowOrigins' : 'is deprecated and ignored beside allowOrigins');
    },
  },
);
