/** What an admin page is: a path, the words that describe it, and a function from request to answer. */

export interface AdminRequest {
  readonly query: URLSearchParams;
}

export interface AdminAnswer {
  readonly status: number;
  readonly contentType: string;
  /** Long ones as slices, each made when the one before has been taken. */
  readonly body: string | Iterable<string>;
  /** Runs once the answer has left, whoever received it. */
  readonly afterwards?: () => void;
}

export interface AdminPage {
  readonly path: string;
  /** One line for /help. */
  readonly help: string;
  /** Query parameters, for /help. */
  readonly parameters?: Readonly<Record<string, string>>;
  /** Changes something: only POST may. A function where that depends on the query. */
  readonly mutates?: boolean | ((query: URLSearchParams) => boolean);
  answer(request: AdminRequest): AdminAnswer | Promise<AdminAnswer>;
}

const TEXT = 'text/plain; charset=UTF-8';

export function textAnswer(body: string | Iterable<string>, status = 200): AdminAnswer {
  return { status, contentType: TEXT, body };
}

/** Indented by one blank, as Envoy prints JSON. */
export function jsonAnswer(value: unknown, status = 200): AdminAnswer {
  return { status, contentType: 'application/json', body: `${JSON.stringify(value, undefined, 1)}\n` };
}

export function jsonSlices(body: Iterable<string>): AdminAnswer {
  return { status: 200, contentType: 'application/json', body };
}

export const OK: AdminAnswer = textAnswer('OK\n');
