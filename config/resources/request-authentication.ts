/** RequestAuthentication: which JSON web tokens a workload accepts (istio-api.md section 9). */

import type { KindParser } from './kind.ts';
import { istioVersions, specKind } from './kind.ts';
import type { PolicyTarget } from './policy-target.ts';
import { checkPolicyTarget, policyTargetShape } from './policy-target.ts';
import type { Report, Schema } from './schema.ts';
import { boolean, list, object, oneName, oneOf, text } from './schema.ts';
import { checkedText, duration } from './values.ts';

export interface RequestAuthenticationSpec extends PolicyTarget {
  readonly jwtRules?: readonly JwtRule[];
}

export interface JwtRule {
  /** Needed unless `jwksUri` is given. */
  readonly issuer?: string;
  readonly audiences?: readonly string[];
  /** With `jwks` a oneof; the spelling `jwks_uri` lands here too. */
  readonly jwksUri?: string;
  /** Inline JSON Web Key Set. */
  readonly jwks?: string;
  readonly fromHeaders?: readonly JwtHeader[];
  readonly fromParams?: readonly string[];
  readonly fromCookies?: readonly string[];
  readonly outputPayloadToHeader?: string;
  readonly outputClaimToHeaders?: readonly ClaimToHeader[];
  /** Default false. */
  readonly forwardOriginalToken?: boolean;
  /** Milliseconds; default 5,000. */
  readonly timeout?: number;
  readonly spaceDelimitedClaims?: readonly string[];
  /** Default OPTIONAL. */
  readonly presence?: 'OPTIONAL' | 'REQUIRED';
}

export interface JwtHeader {
  readonly name: string;
  readonly prefix?: string;
}

export interface ClaimToHeader {
  readonly header: string;
  readonly claim: string;
}

const notEmpty = checkedText((value) => (value === '' ? 'must not be empty' : undefined));

const jwksUri = checkedText((value) => {
  if (!URL.canParse(value)) return `${JSON.stringify(value)} is not a URL`;
  const { protocol } = new URL(value);
  return protocol === 'http:' || protocol === 'https:' ? undefined : `must be an http or https URL, got the scheme ${JSON.stringify(protocol.slice(0, -1))}`;
});

const outputHeader = checkedText((value) => (/^[-_A-Za-z0-9]+$/.test(value) ? undefined : `${JSON.stringify(value)} is not a header name (letters, digits, "-", "_")`));

const jwtHeader: Schema<JwtHeader> = object<JwtHeader>({ name: notEmpty, prefix: text }, { required: ['name'] });
const claimToHeader: Schema<ClaimToHeader> = object<ClaimToHeader>({ header: outputHeader, claim: notEmpty }, { required: ['header', 'claim'] });

const jwtRule: Schema<JwtRule> = object<JwtRule>(
  {
    issuer: notEmpty,
    audiences: list(notEmpty),
    jwksUri,
    jwks: text,
    fromHeaders: list(jwtHeader),
    fromParams: list(notEmpty),
    fromCookies: list(notEmpty),
    outputPayloadToHeader: text,
    outputClaimToHeaders: list(claimToHeader),
    forwardOriginalToken: boolean,
    timeout: duration({ minMs: 1 }),
    spaceDelimitedClaims: list(notEmpty, { max: 64 }),
    presence: oneName(['OPTIONAL', 'REQUIRED']),
  },
  { aliases: { jwks_uri: 'jwksUri' }, check: checkKeys },
);

const spec: Schema<RequestAuthenticationSpec> = object<RequestAuthenticationSpec>(
  { ...policyTargetShape, jwtRules: list(jwtRule, { max: 4096 }) },
  { check: checkPolicyTarget },
);

export const requestAuthentication: KindParser<RequestAuthenticationSpec> = specKind(
  { kind: 'RequestAuthentication', apiVersions: istioVersions('security', 'v1', 'v1beta1') },
  spec,
);

function checkKeys(rule: JwtRule, report: Report): void {
  if (rule.issuer === undefined && rule.jwksUri === undefined) report.error([], 'needs issuer or jwksUri');
  oneOf(rule, ['jwksUri', 'jwks'], report);
  if (rule.jwks === undefined || rule.jwks === '') return;
  const keys = parseKeySet(rule.jwks);
  if (keys === undefined) {
    report.error(['jwks'], 'is not a JSON Web Key Set: needs {"keys": [{"kty": …}, …]}');
    return;
  }
  // The key itself is never printed.
  if (keys.some((key) => Object.hasOwn(key, 'd'))) report.warning(['jwks'], 'holds a private key ("d"): only public keys belong here');
}

/** The keys of a key set or the one key given alone (RFC 7517); undefined where the text is neither. */
function parseKeySet(text: string): readonly object[] | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(parsed)) return undefined;
  const keys: unknown = Object.hasOwn(parsed, 'keys') ? (parsed as { readonly keys?: unknown }).keys : [parsed];
  return Array.isArray(keys) && keys.every(isKey) ? keys : undefined;
}

function isKey(value: unknown): value is object {
  return isObject(value) && typeof (value as { readonly kty?: unknown }).kty === 'string';
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
