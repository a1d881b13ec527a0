/** The few shapes that most rows are made of. */

import type { Expected, ExpectedAnswer, ExpectedLog, ExpectedUpstream, UpstreamTurn } from '../case.ts';

/** A GET for `app.test` with more header lines (each without its line end). */
export function get(target = '/', ...headers: readonly string[]): string {
  return request('GET', target, headers, '');
}

/** A POST for `app.test` with header lines and the bytes that follow the head. */
export function post(headers: readonly string[], body = ''): string {
  return request('POST', '/', headers, body);
}

function request(method: string, target: string, headers: readonly string[], body: string): string {
  return [`${method} ${target} HTTP/1.1`, 'Host: app.test', ...headers, '', body].join('\r\n');
}

/** A chunked POST whose body bytes are given raw. */
export function chunked(body: string): string {
  return post(['Transfer-Encoding: chunked'], body);
}

/** Whole answer of the upstream: status line and header lines, then the body bytes. */
export function answer(lines: readonly string[], body = ''): UpstreamTurn {
  return { steps: [[...lines, '', body].join('\r\n')] };
}

const reasons: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  413: 'Payload Too Large',
  426: 'Upgrade Required',
  431: 'Request Header Fields Too Large',
  501: 'Not Implemented',
  505: 'HTTP Version Not Supported',
};

/** The codec's refusal: the reason phrase as the body, then the connection ends and nothing went up. */
export function refusal(status = 400, details: string | RegExp = 'http1.codec_error'): Expected {
  const body = reasons[status] ?? '';
  const headers = { connection: 'close', 'content-type': 'text/plain', 'content-length': String(body.length) };
  return { answers: [{ status, headers, body }], closes: true, log: [{ code: status, flags: 'DPE', details }] };
}

/** A refusal in the middle of a body: the upstream request had begun and is cut without its end. */
export function midBodyRefusal(status = 400, details: string | RegExp = 'http1.codec_error'): Expected {
  return { ...refusal(status, details), upstream: { requests: 1, cut: true } };
}

/** A refusal without a body that is not the codec's. */
export function emptyReply(status: number, log: ExpectedLog, closes: boolean): Expected {
  const headers = { 'content-length': '0', 'content-type': null, connection: closes ? 'close' : null };
  return { answers: [{ status, headers, body: '' }], closes, log: [log] };
}

/** Served by the upstream (its default answer unless said), the connection goes on. */
export function served(upstream: Partial<ExpectedUpstream> = {}, reply: Partial<ExpectedAnswer> = {}, log: Partial<ExpectedLog> = {}): Expected {
  const status = reply.status ?? 200;
  return {
    answers: [{ status, ...reply }],
    closes: false,
    upstream: { requests: 1, ...upstream },
    log: [{ code: status, flags: '-', details: 'via_upstream', ...log }, after],
  };
}

/** Log line of the further request that the runner sends on a connection which is to go on. */
export const after: ExpectedLog = { code: 200, flags: '-', request: 'GET /after HTTP/1.1' };

const resetText = 'upstream connect error or disconnect/reset before headers. reset reason: ';

/** The reply for an upstream that failed before its head. */
export function upstreamReply(status: number, flags: string, reason: string, details: string | RegExp, upstream?: ExpectedUpstream): Expected {
  return {
    answers: [{ status, headers: { 'content-type': 'text/plain', 'x-envoy-upstream-service-time': null }, body: resetText + reason }],
    closes: false,
    ...(upstream === undefined ? {} : { upstream }),
    log: [{ code: status, flags, details }, after],
  };
}

/** 502 for an answer that breaks the protocol; the connection it came on is not used again. */
export function brokenAnswer(): Expected {
  return upstreamReply(502, 'UPE', 'protocol error', 'upstream_reset_before_response_started{protocol_error}', { requests: 1, dropped: true });
}
