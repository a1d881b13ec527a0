/** What a connection speaks, by its first bytes: TLS, HTTP, or neither. Bounded: 64 KiB, and only where somebody wants to know. */

import { ClientHelloReader } from './client-hello.ts';
import { detectHttp } from './http-detection.ts';

/** What the first bytes are; chains are matched by it. */
export interface Detected {
  readonly transport: 'tls' | 'plain';
  /** SNI, lower case. */
  readonly serverName: string | undefined;
  /** Offered in the ClientHello, in its order; for plain bytes `http/1.1`, `http/1.0` or `h2c` where they are HTTP. */
  readonly protocols: readonly string[];
}

export type Inspected = { readonly kind: 'more' } | { readonly kind: 'detected'; readonly detected: Detected } | { readonly kind: 'refused'; readonly reason: string };

/** For connections nobody looks at, and those that said nothing in time. */
export const PLAIN_BYTES: Detected = { transport: 'plain', serverName: undefined, protocols: [] };

const MORE: Inspected = { kind: 'more' };
const NOT_HTTP: Inspected = { kind: 'detected', detected: PLAIN_BYTES };

export class Inspection {
  readonly #wantsHttp: boolean;
  /** Undefined once the bytes are known not to be TLS. */
  #hello: ClientHelloReader | undefined = new ClientHelloReader();

  /** Without `wantsHttp`, bytes that are not TLS are plain at once. */
  constructor(wantsHttp: boolean) {
    this.#wantsHttp = wantsHttp;
  }

  /** `bytes`: everything received so far, of which those before `from` were shown before. */
  inspect(bytes: Buffer, from: number): Inspected {
    const hello = this.#hello?.read(bytes, from, bytes.length);
    if (hello !== undefined) {
      if (hello.kind === 'more') return MORE;
      if (hello.kind === 'tls') return { kind: 'detected', detected: { transport: 'tls', serverName: hello.serverName, protocols: hello.protocols } };
      if (hello.kind === 'refused') return hello;
      this.#hello = undefined;
    }
    return this.#wantsHttp ? inspectPlain(bytes, hello === undefined ? from : 0) : NOT_HTTP;
  }
}

function inspectPlain(bytes: Buffer, from: number): Inspected {
  const outcome = detectHttp(bytes, from);
  if (outcome === 'more') return MORE;
  return outcome === 'none' ? NOT_HTTP : { kind: 'detected', detected: { transport: 'plain', serverName: undefined, protocols: [outcome] } };
}
