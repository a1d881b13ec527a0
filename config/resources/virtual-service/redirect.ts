/** `redirect`, `directResponse`, `rewrite` and `delegate` of an HTTP route. */

import { regexProblem, substitutionProblem } from '../../../proxy/base/re2.ts';
import type { Report, Schema } from '../schema.ts';
import { checked, integer, object, oneName, oneOf, portNumber, present, text } from '../schema.ts';
import { checkedText, dnsLabel, hostProblem, regex, targetText, targetTextProblem } from '../values.ts';
import type { Delegate, HttpDirectResponse, HttpRedirect, HttpRewrite } from './types.ts';

type ResponseBody = NonNullable<HttpDirectResponse['body']>;
type RegexRewrite = NonNullable<HttpRewrite['uriRegexRewrite']>;

const scheme = checkedText((value) => (/^(?:|https?)$/.test(value) ? undefined : `must be http or https, got ${JSON.stringify(value)}`));

/** Codes that Envoy can redirect with; others pass Istio's validation and end in a route that does nothing. */
const redirectCodes = [0, 301, 302, 303, 307, 308];

export const redirect: Schema<HttpRedirect> = object<HttpRedirect>(
  {
    uri: targetText,
    prefixRewrite: targetText,
    authority: targetText,
    scheme,
    port: portNumber,
    derivePort: oneName(['FROM_PROTOCOL_DEFAULT', 'FROM_REQUEST_PORT']),
    redirectCode: checked(integer(0, 399), (code, report) => {
      if (code !== 0 && code < 300) report.error([], `must be a 3xx status code, got ${code}`);
      else if (!redirectCodes.includes(code)) report.warning([], `${code} makes a route that answers nothing useful; use 301, 302, 303, 307 or 308`);
    }),
  },
  { check: checkRedirect },
);

function checkRedirect(value: HttpRedirect, report: Report): void {
  oneOf(value, ['port', 'derivePort'], report);
  oneOf(value, ['uri', 'prefixRewrite'], report);
  const parts = present(value, ['uri', 'prefixRewrite', 'authority', 'scheme', 'port', 'derivePort']);
  if (parts.every((part) => value[part as keyof HttpRedirect] === '')) {
    report.error([], 'changes nothing; set uri, prefixRewrite, authority, scheme or port');
  }
}

const mebibyte = 1024 * 1024;

const body: Schema<ResponseBody> = object<ResponseBody>(
  {
    string: text,
    bytes: checkedText((value) => (/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/.test(value) ? undefined : 'is not base64')),
  },
  {
    check: (value, report) => {
      oneOf(value, ['string', 'bytes'], report);
      const size = value.string === undefined ? Math.floor(((value.bytes ?? '').length * 3) / 4) : Buffer.byteLength(value.string);
      if (size > mebibyte) report.error([], `must be at most 1 MiB, has ${size} bytes`);
      else if (size > 100 * 1024) report.warning([], `has ${size} bytes, all of them kept in memory; more than 100 KiB is a burden`);
    },
  },
);

export const directResponse: Schema<HttpDirectResponse> = object<HttpDirectResponse>({ status: integer(200, 599), body }, { required: ['status'] });

const uriRegexRewrite: Schema<RegexRewrite> = object<RegexRewrite>(
  { match: regex, rewrite: checkedText((value) => (value === '' ? 'must not be empty' : targetTextProblem(value))) },
  { required: ['match', 'rewrite'], check: checkSubstitution },
);

/** Envoy refuses a substitution that names a group the regex lacks. */
function checkSubstitution({ match, rewrite: substitution }: RegexRewrite, report: Report): void {
  const problem = regexProblem(match) === undefined ? substitutionProblem(match, substitution) : undefined;
  if (problem !== undefined) report.error(['rewrite'], problem);
}

export const rewrite: Schema<HttpRewrite> = object<HttpRewrite>(
  { uri: targetText, authority: targetText, uriRegexRewrite },
  {
    check: (value, report) => {
      oneOf(value, ['uri', 'uriRegexRewrite'], report);
      if ((value.uri ?? '') === '' && (value.authority ?? '') === '' && value.uriRegexRewrite === undefined) {
        report.error([], 'changes nothing; set uri, uriRegexRewrite or authority');
      }
    },
  },
);

export const delegate: Schema<Delegate> = object<Delegate>(
  { name: checkedText((name) => hostProblem(name, { wildcard: false })), namespace: dnsLabel },
  { required: ['name'] },
);
