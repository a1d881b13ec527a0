/** Small messages that several kinds share (Istio's field names). */

/** One of the three; none means "present" where a map of matches allows it. */
export interface StringMatch {
  readonly exact?: string;
  readonly prefix?: string;
  /** RE2, full match. */
  readonly regex?: string;
}

export interface PortSelector {
  readonly number: number;
}

export interface Destination {
  /** As written; resolve short names with the namespace of the resource that holds it (istio-api.md 1.2). */
  readonly host: string;
  readonly subset?: string;
  readonly port?: PortSelector;
}

/** 0..100; absent `value` is 0. */
export interface PercentMessage {
  readonly value?: number;
}
