/** The form of one row of the conformance table: bytes in, what the upstream does, what must come out everywhere. */

/** One exchange (or attack) on one client connection. */
export interface Case {
  /** Row of the attack catalogue (`D.2 7`) or the section of the reply table (`A.4`). */
  readonly row: string;
  /** Unique within its row. */
  readonly name: string;
  /** What the client does. A string is bytes, one per character (latin-1). */
  readonly send: string | readonly ClientStep[];
  /** What the upstream does at its first, second … request of the case; every further one is answered 200. */
  readonly upstream?: readonly UpstreamTurn[];
  /** The first answer is one to HEAD: a head with a length and no body. */
  readonly head?: boolean;
  readonly expect: Expected;
  /** A second outcome that the row allows too ("refuse, or accept as 10"). */
  readonly or?: Expected;
  /** Where the row asks for more than Envoy does: why, and what Envoy 1.40 answers instead. */
  readonly envoy?: { readonly reason: string; readonly expect: Expected };
}

export type ClientStep =
  | string
  /** Bytes made of `unit` repeated `times`, so that tables stay readable. */
  | { readonly repeat: string; readonly times: number }
  /** Wait until the upstream has begun that many requests of the case (one, unless said). */
  | { readonly until: 'upstream'; readonly requests?: number }
  /** Wait until the client has that many complete answers (one, unless said), 1xx included. */
  | { readonly until: 'answer'; readonly answers?: number }
  /** Wait until the proxy has ended the first upstream connection of the case. */
  | { readonly until: 'dropped' }
  /** A request on a connection of its own, opened now and kept open to the end of the case; its answer is not looked at. */
  | { readonly aside: string }
  | { readonly waitMs: number }
  /** Half-close, or cut the connection with a RST. */
  | { readonly end: true }
  | { readonly reset: true };

/** Ports at which the scripted upstream listens. */
export type ScriptedEndpoint = 'upstream' | 'second';

/** The upstream's part in one request. */
export interface UpstreamTurn {
  /** Begin when the request head has come, or (default) when the whole request has. */
  readonly on?: 'head' | 'request';
  /** Only for a request that reaches this endpoint; absent: for the next one wherever it arrives. */
  readonly at?: ScriptedEndpoint;
  readonly steps: readonly UpstreamStep[];
}

export type UpstreamStep = string | { readonly repeat: string; readonly times: number } | { readonly waitMs: number } | { readonly end: true } | { readonly reset: true };

export interface Expected {
  /** Every answer on the connection in order, 1xx included; empty: none. */
  readonly answers: readonly ExpectedAnswer[];
  /**
   * The proxy ends the connection and answers nothing more, although a good request followed. False: a further request
   * on the connection is served. `waits`: the proxy takes what follows for the rest of the request.
   */
  readonly closes: boolean | 'waits';
  /** What reached the upstream; absent: not one byte. */
  readonly upstream?: ExpectedUpstream;
  /** One line per request that the log must have, no more; absent: not looked at. */
  readonly log?: readonly ExpectedLog[];
}

export interface ExpectedAnswer {
  readonly status: number;
  /** Value, pattern, or null for "must not be there". */
  readonly headers?: Readonly<Record<string, string | RegExp | null>>;
  /** The whole head below the status line, in any order; of `date` and `server`, which have tests of their own, only the names. */
  readonly head?: readonly string[];
  readonly body?: string | RegExp;
  /** The body stops short of what its framing promised. */
  readonly cut?: boolean;
}

export interface ExpectedUpstream {
  /** Requests begun; absent: not counted. */
  readonly requests?: number;
  /** Connections that carried them. */
  readonly connections?: number;
  /** Where the requests arrived, in order: `A` is the first endpoint seen, `B` the second. */
  readonly hosts?: string;
  /** One pattern per request, in the order of their heads, for its own bytes. */
  readonly each?: readonly RegExp[];
  /** Found in the bytes of all connections together (header names compare without case). */
  readonly has?: readonly RegExp[];
  readonly lacks?: readonly RegExp[];
  /** The last request stopped short and its connection was ended by the proxy. */
  readonly cut?: boolean;
  /** The proxy ended the connection of the first request although the upstream kept it open. */
  readonly dropped?: boolean;
}

export interface ExpectedLog {
  readonly code: number;
  /** Short response flags, `-` for none. */
  readonly flags?: string;
  readonly details?: string | RegExp;
  /** `METHOD PATH PROTOCOL` as the line has it between its first quotes. */
  readonly request?: string;
  readonly authority?: string;
  readonly route?: string;
  readonly userAgent?: string | RegExp;
  /** Name of the endpoint (`upstream`, `refused` …), `-` for none. */
  readonly upstreamHost?: string | RegExp;
}
