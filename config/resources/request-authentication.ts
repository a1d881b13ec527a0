/** RequestAuthentication: which JSON web tokens a workload accepts (istio-api.md section 9). */

import type { PolicyTarget } from './policy-target.ts';

export interface RequestAuthenticationSpec extends PolicyTarget {
  readonly jwtRules?: readonly JwtRule[];
}

export interface JwtRule {
  /** Needed unless a key source is given. */
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
