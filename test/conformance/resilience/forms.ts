/** The few shapes that most rows of this table are made of. */

import type { Case, ClientStep, Expected, ExpectedAnswer, ExpectedLog, ExpectedUpstream, UpstreamTurn } from '../case.ts';
import { after } from '../cases/forms.ts';

export interface RequestForm {
  readonly method?: string;
  readonly target?: string;
  readonly headers?: readonly string[];
  readonly body?: string;
}

/** A request for `<host>.test`; a body brings its length along unless a header frames it. */
export function ask(host: string, { method = 'GET', target = '/', headers = [], body = '' }: RequestForm = {}): string {
  const framed = body === '' || headers.some((line) => /^transfer-encoding:|^content-length:/i.test(line));
  const length = framed ? [] : [`Content-Length: ${body.length}`];
  return [`${method} ${target} HTTP/1.1`, `Host: ${host}.test`, ...headers, ...length, '', body].join('\r\n');
}

/** A gRPC call as HTTP/1.1 can carry it; without a message, so that a reply at once finds the request complete. */
export function call(host: string, { headers = [], ...rest }: RequestForm = {}): string {
  return ask(host, { method: 'POST', headers: ['Content-Type: application/grpc', 'TE: trailers', ...headers], ...rest });
}

/** An answer with a length, and header lines of its own. */
export function reply(status: number, headers: readonly string[] = [], body = ''): UpstreamTurn {
  return { steps: [[`HTTP/1.1 ${status} Scripted`, ...headers, `content-length: ${body.length}`, '', body].join('\r\n')] };
}

/** Takes the request and says nothing; ends or resets the connection; breaks the protocol. */
export const hang: UpstreamTurn = { steps: [] };
export const finish: UpstreamTurn = { steps: [{ end: true }] };
export const cut: UpstreamTurn = { steps: [{ reset: true }] };
export const garbage: UpstreamTurn = { steps: ['220 mail ready\r\n\r\n'] };

/** Head of a local reply; `closes`: of one that ends the connection. */
export function localHead(body: string, closes = false): string[] {
  const end = closes ? ['connection: close'] : [];
  return body === '' ? ['date', 'server', ...end, 'content-length: 0'] : [`content-length: ${body.length}`, 'content-type: text/plain', 'date', 'server', ...end];
}

/** The same to a gRPC call. */
export function grpcHead(status: number, message: string, closes = false): string[] {
  return ['content-type: application/grpc', `grpc-status: ${status}`, ...(message === '' ? [] : [`grpc-message: ${message}`]), ...localHead('', closes)];
}

export interface LocalForm {
  readonly status: number;
  readonly flags: string;
  readonly details: string | RegExp;
  readonly body: string;
  readonly upstream?: ExpectedUpstream;
  readonly closes?: boolean;
  readonly log?: Partial<ExpectedLog>;
  readonly head?: readonly string[];
}

/** A reply that the proxy makes itself: its head is given to the last line. A 400 ends the connection. */
export function local({ status, flags, details, body, upstream, closes = status === 400, log, head }: LocalForm): Expected {
  return {
    answers: [{ status, head: head ?? localHead(body, closes), body }],
    closes,
    ...(upstream === undefined ? {} : { upstream }),
    log: [{ code: status, flags, details, ...log }, ...(closes ? [] : [after])],
  };
}

/** The reply to an upstream that failed before its head; `retried` after at least one retry. */
export function failed(flags: string, reason: string, more: { readonly transport?: string; readonly retried?: boolean; readonly upstream?: ExpectedUpstream; readonly log?: Partial<ExpectedLog>; readonly status?: number } = {}): Expected {
  const body = `upstream connect error or disconnect/reset before headers. ${more.retried === true ? 'retried and the latest ' : ''}reset reason: ${reason}`;
  const details = `upstream_reset_before_response_started{${reason.replaceAll(' ', '_')}${more.transport ?? ''}}`;
  const form = { status: more.status ?? 503, flags, details, body };
  return local({ ...form, ...(more.upstream === undefined ? {} : { upstream: more.upstream }), ...(more.log === undefined ? {} : { log: more.log }) });
}

export const refusedConnect = '|delayed_connect_error:_Connection_refused';

/** What the upstream answered, as it came. */
export function relayed(status: number, upstream: ExpectedUpstream, more: { readonly flags?: string; readonly answer?: Partial<ExpectedAnswer>; readonly log?: Partial<ExpectedLog> } = {}): Expected {
  return {
    answers: [{ status, ...more.answer }],
    closes: false,
    upstream,
    log: [{ code: status, flags: more.flags ?? '-', details: 'via_upstream', ...more.log }, after],
  };
}

/** Served at attempt number `attempts`, without a trace of the others in the log. */
export function retried(attempts: number, more: { readonly upstream?: ExpectedUpstream; readonly answer?: Partial<ExpectedAnswer>; readonly log?: Partial<ExpectedLog> } = {}): Expected {
  return relayed(200, { requests: attempts, each: counted(attempts), ...more.upstream }, more);
}

/** `x-envoy-attempt-count` of each request at the upstream. */
export function counted(attempts: number): RegExp[] {
  return Array.from({ length: attempts }, (_unused, index) => new RegExp(`\\r\\nx-envoy-attempt-count: ${index + 1}\\r\\n`, 'i'));
}

export function row(section: string, name: string, send: string | readonly ClientStep[], upstream: readonly UpstreamTurn[], expect: Expected, more: Partial<Case> = {}): Case {
  return { row: section, name, send, upstream, expect, ...more };
}
