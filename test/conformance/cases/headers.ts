/** Rows 33–35, 43 and the header rules of a sidecar (A.11): what a client may not say in somebody else's name. */

import type { Case, Expected } from '../case.ts';
import { after, emptyReply, get, served } from './forms.ts';

/** The header may be forwarded or not; the rest of the row is what must hold. */
function nominated(name: string, header: string, expect: Expected): Case {
  return { row: 'D.2 33', name: `Connection names ${name}`, send: get('/', `Connection: ${name}`, ...(header === '' ? [] : [header])), expect };
}

function dropped(row: string, header: string): Case {
  const name = header.slice(0, header.indexOf(':'));
  return { row, name: `${header} from a client`, send: get('/', header), expect: served({ lacks: [new RegExp(`\\r\\n${name}:`, 'i')] }) };
}

const refusedNomination: Expected = { answers: [{ status: 400 }], closes: true };

export const headerCases: readonly Case[] = [
  nominated('x-forwarded-for', 'X-Forwarded-For: 10.0.0.1', namingRefused()),
  nominated('x-forwarded-host', 'X-Forwarded-Host: a', namingRefused()),
  nominated('x-forwarded-proto', 'X-Forwarded-Proto: https', namingRefused()),
  nominated(':path', '', namingRefused()),
  nominated(':authority', '', namingRefused()),
  nominated('host', '', { answers: [{ status: 400 }], closes: true, log: [{ code: 400, flags: '-' }] }),
  { ...nominated('authorization', 'Authorization: Basic dA==', served({ lacks: [/authorization/i] })), or: refusedNomination },
  { ...nominated('cookie', 'Cookie: a=b', served({ lacks: [/cookie/i] })), or: refusedNomination },
  { ...nominated('x-envoy-attempt-count', '', served({ has: [/x-envoy-attempt-count: 1/i] })), or: refusedNomination },
  nominated('x-mine', 'X-Mine: 1', served({ lacks: [/x-mine/i, /\r\nconnection:/i] })),
  nominated('close, x-mine', 'X-Mine: 1', { answers: [{ status: 200, headers: { connection: 'close' } }], closes: true, upstream: { requests: 1, lacks: [/x-mine/i] } }),
  nominated('content-length', 'Content-Length: 0', served()),
  { row: 'D.2 33', name: 'hop-by-hop headers stay here', send: get('/', 'Keep-Alive: timeout=5', 'Proxy-Connection: keep-alive', 'TE: gzip'), expect: served({ lacks: [/keep-alive/i, /proxy-connection/i, /\r\nte:/i] }) },
  { row: 'D.2 33', name: 'TE: trailers goes on', send: get('/', 'TE: trailers', 'Connection: te'), expect: served({ has: [/\r\nte: trailers\r\n/i] }) },

  dropped('D.2 34', 'x-envoy-internal: true'),
  dropped('D.2 34', 'x-envoy-retry-on: 5xx'),
  dropped('D.2 34', 'x-envoy-max-retries: 9'),
  dropped('D.2 34', 'x-envoy-upstream-rq-timeout-ms: 1'),
  dropped('D.2 34', 'x-envoy-expected-rq-timeout-ms: 1'),
  dropped('D.2 34', 'x-envoy-force-trace: true'),
  dropped('D.2 34', 'x-envoy-ip-tags: a'),
  {
    row: 'D.2 34',
    name: 'a private x-forwarded-for makes nobody internal',
    send: get('/', 'X-Forwarded-For: 127.0.0.1', 'x-envoy-retry-on: 5xx'),
    upstream: [{ steps: ['HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n'] }],
    expect: { answers: [{ status: 503 }], closes: false, upstream: { requests: 1, has: [/x-forwarded-for: 127\.0\.0\.1\r\n/i], lacks: [/x-envoy-retry-on/i, /x-envoy-internal/i] } },
  },
  dropped('D.2 35', 'x-forwarded-client-cert: By=spiffe://cluster.local/ns/a/sa/b'),
  {
    row: 'D.2 35',
    name: 'a forged x-envoy-original-path is not what the log prints',
    send: get('/real', 'x-envoy-original-path: /forged'),
    expect: served({}, {}, { request: 'GET /real HTTP/1.1' }),
    envoy: { reason: "a sidecar's Envoy keeps the header, and Istio's log format prefers it", expect: served({}, {}, { request: 'GET /forged HTTP/1.1' }) },
  },

  {
    row: 'D.2 43',
    name: 'a quote in the user agent stays inside its column',
    send: get('/', 'User-Agent: a" 200 - forged "b'),
    expect: served({}, {}, { userAgent: /^a\\(?:"|x22|u0022) 200 - forged \\(?:"|x22|u0022)b$/ }),
    envoy: { reason: 'the text log there escapes nothing, so the line has columns too many', expect: { ...served(), log: [after] } },
  },
  {
    row: 'D.2 43',
    name: 'a backslash at the end of the user agent stays inside its column',
    send: get('/', 'User-Agent: a\\'),
    expect: served({}, {}, { userAgent: /^a\\(?:\\|x5c|u005c)$/i }),
    envoy: { reason: 'the text log there escapes nothing', expect: { ...served(), log: [after] } },
  },
  {
    row: 'D.2 43',
    name: 'bytes from 0x80 and tabs in the user agent are printable in the log',
    send: get('/', 'User-Agent: a\tb\x9b31m\xff'),
    expect: { ...served({ has: [/user-agent: a\tb\x9b31m\xff\r\n/i] }), log: [{ code: 200, flags: '-', userAgent: /^[\x20-\x7e]+$/ }, after] },
    envoy: { reason: 'the text log there leaves them raw', expect: { ...served(), log: [{ code: 200, flags: '-', userAgent: 'a\tb\x9b31m\xff' }, after] } },
  },
  {
    row: 'D.2 43',
    name: 'a quote in the path is percent-encoded',
    send: get('/a"b'),
    expect: served({ has: [/^GET \/a%22b HTTP/] }, {}, { request: 'GET /a%22b HTTP/1.1' }),
  },
  { row: 'D.2 43', name: 'a CR LF in the user agent is two lines', send: get('/', 'User-Agent: a\r\nX-Injected: 1'), expect: served({ has: [/user-agent: a\r\n/i, /x-injected: 1\r\n/i] }, {}, { userAgent: 'a' }) },

  { row: 'A.11', name: 'x-request-id is made', send: get(), expect: served({ has: [/\r\nx-request-id: [0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\r\n/i] }) },
  { row: 'A.11', name: 'x-request-id is kept', send: get('/', 'x-request-id: mine'), expect: served({ has: [/\r\nx-request-id: mine\r\n/i] }) },
  { row: 'A.11', name: 'x-forwarded-proto is added', send: get(), expect: served({ has: [/\r\nx-forwarded-proto: http\r\n/i] }) },
  { row: 'A.11', name: 'x-forwarded-proto is kept', send: get('/', 'x-forwarded-proto: gopher'), expect: served({ has: [/\r\nx-forwarded-proto: gopher\r\n/i] }) },
  { row: 'A.11', name: 'outer blanks of a value are trimmed', send: get('/', 'X-A: \t b \t'), expect: served({ has: [/\r\nx-a: b\r\n/i] }) },
  { row: 'A.11', name: 'a value of inner tabs and bytes from 0x80 passes', send: get('/', 'X-A: a\tb\xe9'), expect: served({ has: [/\r\nx-a: a\tb\xe9\r\n/i] }) },
  { row: 'A.12', name: 'Upgrade: h2c is dropped', send: get('/', 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABk'), expect: served({ lacks: [/h2c/, /http2-settings/i] }) },
  { row: 'A.12', name: 'Upgrade without Connection is dropped', send: get('/', 'Upgrade: websocket'), expect: served({ lacks: [/websocket/] }) },
  { row: 'A.12', name: 'another Upgrade is refused', send: get('/', 'Connection: upgrade', 'Upgrade: foo'), expect: emptyReply(403, { code: 403, flags: '-', details: 'upgrade_failed' }, true) },
];

function namingRefused(): Expected {
  return { answers: [{ status: 400, headers: { connection: 'close' } }], closes: true, log: [{ code: 400, flags: 'DPE' }] };
}
