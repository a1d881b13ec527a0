/** A parsed head as it is delivered: what every stream sees of it, and what only the connection manager asks. */

import { HeaderList } from '../../stream/header-list.ts';
import type { RequestHead } from '../../stream/stream.ts';
import { Framing, type RequestFacts } from '../codec.ts';
import type { ParsedRequest } from './request-head.ts';

/** Facts of the request being delivered; reused, see RequestFacts. */
const facts: { -readonly [K in keyof RequestFacts]: RequestFacts[K] } = {
  seen: 0,
  framing: Framing.None,
  upgrade: undefined,
  trailersAccepted: false,
  missingAuthority: false,
};

export function requestOf(parsed: ParsedRequest): RequestHead {
  return {
    method: parsed.method,
    path: parsed.path,
    originalPath: undefined,
    authority: parsed.authority,
    scheme: parsed.scheme,
    headers: new HeaderList(parsed.fields.items),
  };
}

/** Valid until the next head is parsed. */
export function factsOf(parsed: ParsedRequest): RequestFacts {
  facts.seen = parsed.fields.seen;
  facts.framing = parsed.framed ? parsed.bodyLength : Framing.None;
  facts.upgrade = parsed.connection.upgrade ? parsed.fields.upgrade?.toLowerCase() : undefined;
  facts.trailersAccepted = parsed.trailersAccepted;
  facts.missingAuthority = parsed.authority === '';
  return facts;
}
