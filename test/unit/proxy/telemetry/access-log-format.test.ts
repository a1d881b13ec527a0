import { hostname } from 'node:os';
import t from 'tap';
import { compileFormat } from '../../../../proxy/telemetry/access-log/format.ts';
import { certificate, tls } from '../../../support/security.ts';
import { completedStream, type StreamChanges } from '../../../support/completed-stream.ts';

function text(format: string, changes: StreamChanges = {}): string {
  const compiled = compileFormat('TEXT', format);
  if ('problem' in compiled) throw new Error(compiled.problem);
  const line = compiled(completedStream(changes));
  if (!line.endsWith('\n') || line.indexOf('\n') !== line.length - 1) throw new Error(`not one line: ${JSON.stringify(line)}`);
  return line.slice(0, -1);
}

function json(format: string | undefined, changes: StreamChanges = {}): string {
  const compiled = compileFormat('JSON', format);
  if ('problem' in compiled) throw new Error(compiled.problem);
  return compiled(completedStream(changes));
}

function problem(encoding: 'TEXT' | 'JSON', format: string): string {
  const compiled = compileFormat(encoding, format);
  return 'problem' in compiled ? compiled.problem : 'no problem';
}

/** A request that the codec refused, or that ended before anything was known. */
const NOTHING: StreamChanges = {
  request: { method: '', path: '', authority: '', scheme: '' },
  requestHeaders: [],
  response: null,
  info: {
    requestCompleteMs: -1, responseHeadMs: -1, responseCode: 0, details: '', routeName: undefined, cluster: undefined, host: undefined,
    upstreamConnection: undefined, upstreamServiceTimeMs: -1, downstream: undefined, attemptCount: 0,
  },
};

t.test('each operator: its value, and what stands where there is none', async (t) => {
  const rows: readonly (readonly [operator: string, value: string, none: string])[] = [
    ['BYTES_RECEIVED', '3', '3'],
    ['BYTES_SENT', '1024', '1024'],
    ['COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)', '12750', '12750'],
    ['COMMON_DURATION(DS_RX_END:US_RX_BEG:ms)', '8', '-'],
    ['CONNECTION_TERMINATION_DETAILS', '-', '-'],
    ['DOWNSTREAM_DIRECT_REMOTE_ADDRESS', '10.0.0.9:50000', '-'],
    ['DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT', '10.0.0.9', '-'],
    ['DOWNSTREAM_DIRECT_REMOTE_PORT', '50000', '-'],
    ['DOWNSTREAM_LOCAL_ADDRESS', '10.96.0.7:9080', '-'],
    ['DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT', '10.96.0.7', '-'],
    ['DOWNSTREAM_LOCAL_PORT', '9080', '-'],
    ['DOWNSTREAM_REMOTE_ADDRESS', '10.0.0.9:50000', '-'],
    ['DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT', '10.0.0.9', '-'],
    ['DOWNSTREAM_REMOTE_PORT', '50000', '-'],
    ['DURATION', '12', '12'],
    ['GRPC_STATUS', '-', '-'],
    ['GRPC_STATUS_NUMBER', '-', '-'],
    ['HOSTNAME', hostname(), hostname()],
    ['PATH', '/reviews/0?u=1', '-'],
    ['PATH(WQ)', '/reviews/0?u=1', '-'],
    ['PATH(NQ)', '/reviews/0', '-'],
    ['PATH(NQ:PATH)', '/reviews/0', '-'],
    ['PATH(WQ:ORIG)', '-', '-'],
    ['PROTOCOL', 'HTTP/1.1', 'HTTP/1.1'],
    ['REQ(:METHOD)', 'GET', '-'],
    ['REQ(:PATH)', '/reviews/0?u=1', '-'],
    ['REQ(:AUTHORITY)', 'reviews:9080', '-'],
    ['REQ(Host)', 'reviews:9080', '-'],
    ['REQ(:SCHEME)', 'http', '-'],
    ['REQ(User-Agent)', 'curl/8.5.0', '-'],
    ['REQ(X-NONE?USER-AGENT)', 'curl/8.5.0', '-'],
    ['REQ(X-ENVOY-ORIGINAL-PATH?:PATH)', '/reviews/0?u=1', '-'],
    ['REQ(USER-AGENT):4', 'curl', '-'],
    ['REQUESTED_SERVER_NAME', '-', '-'],
    ['REQUEST_DURATION', '1', '-'],
    ['RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)', '8', '-'],
    ['RESP(:STATUS)', '200', '-'],
    ['RESP(X-NONE)', '-', '-'],
    ['RESPONSE_CODE', '200', '0'],
    ['RESPONSE_CODE_DETAILS', 'via_upstream', '-'],
    ['RESPONSE_DURATION', '9', '-'],
    ['RESPONSE_FLAGS', '-', '-'],
    ['RESPONSE_FLAGS_LONG', '-', '-'],
    ['RESPONSE_TX_DURATION', '2', '-'],
    ['ROUTE_NAME', 'default', '-'],
    ['START_TIME', '2026-11-21T08:49:01.007Z', '2026-11-21T08:49:01.007Z'],
    ['START_TIME(%Y/%m/%dT%H:%M:%S%z %s)', '2026/11/21T08:49:01+0000 1795250941', '2026/11/21T08:49:01+0000 1795250941'],
    ['START_TIME(%s.%3f)', '1795250941.007', '1795250941.007'],
    ['UPSTREAM_CLUSTER', 'outbound|9080||reviews.default.svc.cluster.local', '-'],
    ['UPSTREAM_CLUSTER_RAW', 'outbound|9080||reviews.default.svc.cluster.local', '-'],
    ['UPSTREAM_HOST', '10.0.0.1:9080', '-'],
    ['UPSTREAM_HOST_NAME', '10.0.0.1:9080', '-'],
    ['UPSTREAM_HOST_NAME_WITHOUT_PORT', '10.0.0.1', '-'],
    ['UPSTREAM_LOCAL_ADDRESS', '10.0.0.9:41234', '-'],
    ['UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT', '10.0.0.9', '-'],
    ['UPSTREAM_LOCAL_PORT', '41234', '-'],
    ['UPSTREAM_REMOTE_ADDRESS', '10.0.0.1:9080', '-'],
    ['UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT', '10.0.0.1', '-'],
    ['UPSTREAM_REMOTE_PORT', '9080', '-'],
    ['UPSTREAM_REQUEST_ATTEMPT_COUNT', '1', '0'],
    ['UPSTREAM_TRANSPORT_FAILURE_REASON', '-', '-'],
    ['VIRTUAL_CLUSTER_NAME', '-', '-'],
  ];
  for (const [operator, value, none] of rows) {
    t.equal(text(`a %${operator}% b`), `a ${value} b`, operator);
    t.equal(text(`%${operator}%`, NOTHING), none, `${operator} without a value`);
  }
});

t.test('values that only some streams have', async (t) => {
  const info = {
    flags: 1 << 1, transportFailureReason: 'delayed connect error: Connection refused', connectionTerminationDetails: 'downstream left',
    requestedServerName: 'reviews.example.com', downstream: { localAddress: '[fd00::1]:80', remoteAddress: '[::1]:5000' },
  };
  t.equal(text('%RESPONSE_FLAGS%|%UPSTREAM_TRANSPORT_FAILURE_REASON%|%CONNECTION_TERMINATION_DETAILS%', { info }), 'UF|delayed_connect_error:_Connection_refused|downstream_left');
  t.equal(text('%RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG%', { info: { flags: (1 << 1) | (1 << 6) } }), 'URX,UF UpstreamRetryLimitExceeded,UpstreamConnectionFailure');
  t.equal(text('%RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG%', { info: { flags: (1 << 1) | (1 << 21) } }), 'UF,URX UpstreamConnectionFailure,UpstreamRetryLimitExceeded', 'of a tunnel');
  t.equal(text('%RESPONSE_FLAGS%', { info: { flags: (1 << 10) | (1 << 12) | (1 << 13) } }), 'DI,FI,DC', 'in Envoy\'s order');
  t.equal(text('%REQUESTED_SERVER_NAME% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_REMOTE_PORT%', { info }), 'reviews.example.com [fd00::1]:80 fd00::1 5000');
  const rewritten: StreamChanges = { request: { path: '/v2/x?q=1', originalPath: '/x?q=1' } };
  t.equal(text('%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PATH(NQ)% %PATH(WQ:ORIG)% %REQ(:PATH)%', rewritten), '/x?q=1 /x /x?q=1 /v2/x?q=1');
  t.equal(text('%RESP(X-Q?Content-Type):9%', { responseHeaders: ['content-type', 'text/html; charset=x'] }), 'text/html');
  const ended: StreamChanges = { request: { method: 'POST' }, requestHeaders: ['content-type', 'application/grpc+proto'], responseHeaders: ['grpc-status', '4'] };
  t.equal(text('%GRPC_STATUS% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS(NUMBER)% %GRPC_STATUS_NUMBER%', ended), 'DeadlineExceeded DEADLINE_EXCEEDED 4 4');
  t.equal(text('%ENVIRONMENT(OUTRIDER_NO_SUCH_VARIABLE)%%%'), '-%', 'a doubled percent sign is one');
});

t.test('TLS: both sides, as Envoy prints them', async (t) => {
  const peer = certificate({ uris: ['spiffe://a/ns/b/sa/c', 'http://x'], dns: ['client.example.com', '*.x.com'], subject: 'CN=client\\+x,O="q"' });
  const info = { filterChain: 'virtualInbound', downstreamSecurity: tls({ peer, local: certificate({ uris: ['spiffe://a/ns/b/sa/d'], subject: 'O=x' }) }), upstreamSecurity: tls({ version: 'TLSv1.2', cipher: 'AES', peer, local: peer }) };
  const rows: Readonly<Record<string, string>> = {
    DOWNSTREAM_PEER_URI_SAN: 'spiffe://a/ns/b/sa/c,http://x',
    DOWNSTREAM_PEER_DNS_SAN: 'client.example.com,*.x.com',
    DOWNSTREAM_LOCAL_URI_SAN: 'spiffe://a/ns/b/sa/d',
    DOWNSTREAM_LOCAL_DNS_SAN: '-',
    DOWNSTREAM_PEER_SUBJECT: 'CN=client\\x5c+x,O=\\x22q\\x22',
    DOWNSTREAM_LOCAL_SUBJECT: 'O=x',
    DOWNSTREAM_PEER_ISSUER: 'O=cluster.local',
    DOWNSTREAM_PEER_SERIAL: '12a299',
    DOWNSTREAM_PEER_FINGERPRINT_256: '0dff5fe2',
    DOWNSTREAM_PEER_CERT: '-----BEGIN%20CERTIFICATE-----%0AMII%2B%2Fw%3D%3D%0A-----END%20CERTIFICATE-----%0A',
    DOWNSTREAM_PEER_CERT_V_START: '2026-11-21T16:00:08.000Z',
    DOWNSTREAM_PEER_CERT_V_END: '2026-12-11T16:00:08.000Z',
    'DOWNSTREAM_PEER_CERT_V_END(%Y)': '2026',
    DOWNSTREAM_TLS_VERSION: 'TLSv1.3',
    DOWNSTREAM_TLS_CIPHER: 'TLS_AES_256_GCM_SHA384',
    UPSTREAM_TLS_VERSION: 'TLSv1.2',
    UPSTREAM_TLS_CIPHER: 'AES',
    UPSTREAM_PEER_URI_SAN: 'spiffe://a/ns/b/sa/c,http://x',
    UPSTREAM_PEER_DNS_SAN: 'client.example.com,*.x.com',
    UPSTREAM_PEER_SUBJECT: 'CN=client\\x5c+x,O=\\x22q\\x22',
    UPSTREAM_PEER_ISSUER: 'O=cluster.local',
    UPSTREAM_PEER_CERT: '-----BEGIN%20CERTIFICATE-----%0AMII%2B%2Fw%3D%3D%0A-----END%20CERTIFICATE-----%0A',
    UPSTREAM_LOCAL_URI_SAN: 'spiffe://a/ns/b/sa/c,http://x',
    UPSTREAM_LOCAL_DNS_SAN: 'client.example.com,*.x.com',
    FILTER_CHAIN_NAME: 'virtualInbound',
  };
  for (const [operator, value] of Object.entries(rows)) {
    t.equal(text(`%${operator}%`, { info }), value, operator);
    t.equal(text(`%${operator}%`), '-', `${operator} in plain text`);
  }
  const bare = { downstreamSecurity: tls(), upstreamSecurity: tls() };
  for (const operator of Object.keys(rows).filter((name) => /PEER|LOCAL/.test(name))) t.equal(text(`%${operator}%`, { info: bare }), '-', `${operator} without certificates`);
  const refused = { details: 'downstream_tls_error', connectionTerminationDetails: 'TLS_error:|268435648:SSL routines:X:TLS_error_end' };
  t.equal(text('%DOWNSTREAM_TRANSPORT_FAILURE_REASON%', { info: refused }), 'TLS_error:|268435648:SSL_routines:X:TLS_error_end');
  t.equal(text('%DOWNSTREAM_TRANSPORT_FAILURE_REASON%'), '-');
  t.equal(text('%PROTOCOL%', { info: { protocol: '' } }), '-', 'of a TCP connection');
});

t.test('a forged x-envoy-original-path names nothing', async (t) => {
  const forged: StreamChanges = { requestHeaders: ['x-envoy-original-path', '/innocent'] };
  t.equal(text('%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%', forged), '/reviews/0?u=1');
  t.equal(text('%REQ(x-envoy-original-path)%', forged), '-');
  t.equal(text('%RESP(x-envoy-upstream-service-time)%', { responseHeaders: ['x-envoy-upstream-service-time', '1 "forged"'], info: { upstreamServiceTimeMs: -1 } }), '-');
});

t.test('one request is one line and one column stays one column', async (t) => {
  const agent = 'a"b\\c\r\nd\u001b[31m\t\u00c3\u00a9\u007f';
  const hostile: StreamChanges = { requestHeaders: ['user-agent', agent] };
  t.equal(text('"%REQ(USER-AGENT)%"', hostile), '"a\\x22b\\x5cc\\x0d\\x0ad\\x1b[31m\\x09\\xc3\\xa9\\x7f"');
  t.equal(text('%ROUTE_NAME%', { info: { routeName: 'ü\n' } }), '\\xc3\\xbc\\x0a', 'a route name of the configuration, by its UTF-8 bytes');
  t.equal(text('"%UPSTREAM_HOST%" %UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%', { info: { host: { address: 'a"\u001bb:80', workload: {} } } }), '"a\\x22\\x1bb:80" a\\x22\\x1bb', 'a name that the downstream asked for');
  t.equal(json('{"ua":"%REQ(USER-AGENT)%","x":"<%REQ(USER-AGENT)%>"}', hostile).split('\n').length, 2);
  t.equal(json('{"ua":"%REQ(USER-AGENT)%"}', hostile), '{"ua":"a\\u0022b\\u005cc\\u000d\\u000ad\\u001b[31m\\u0009\\u00c3\\u00a9\\u007f"}\n');
  t.same(JSON.parse(json('{"ua":"%REQ(USER-AGENT)%"}', hostile)), { ua: agent });
  for (let code = 0; code < 256; code++) {
    const value = `x${String.fromCharCode(code)}y`;
    t.match(text('%REQ(USER-AGENT)%', { requestHeaders: ['user-agent', value] }), /^[\x20-\x7e]+$/, `byte ${code}`);
    t.equal(JSON.parse(json('{"v":"%REQ(USER-AGENT)%"}', { requestHeaders: ['user-agent', value] })).v, value);
  }
});

t.test('JSON keeps types, sorts keys, nests', async (t) => {
  t.equal(
    json('{"z":"%RESPONSE_CODE%","a":{"y":["%BYTES_SENT%",1,true,null,"%REQ(NONE)%"],"b":"%ROUTE_NAME%"},"text":"%RESPONSE_CODE% %REQ(NONE)% \\"ok\\" 100%%","e":{},"f":[]}'),
    '{"a":{"b":"default","y":[1024,1,true,null,null]},"e":{},"f":[],"text":"200 - \\"ok\\" 100%","z":200}\n',
  );
  t.same(Object.keys(JSON.parse(json(undefined))), [...Object.keys(JSON.parse(json(undefined)))].sort());
  t.equal(Object.keys(JSON.parse(json(undefined))).length, 24);
  const nothing = JSON.parse(json(undefined, NOTHING));
  t.match(nothing, { method: null, path: null, response_code: 0, response_flags: '-', upstream_host: null, upstream_service_time: null, route_name: null });
});

t.test('problems are values that name the operator', async (t) => {
  const rows: readonly (readonly [format: string, problem: RegExp])[] = [
    ['%FOO%', /%FOO% is not an access log operator/],
    ['%constructor%', /a % must begin an operator/],
    ['%DYNAMIC_METADATA(a:b)%', /%DYNAMIC_METADATA% is not supported: this proxy does not collect it/],
    ['100%', /a % must begin an operator such as %PROTOCOL%, or be doubled \(%%\), at "%\\n"/],
    ['%REQ%', /%REQ% needs an argument/],
    ['%REQ( )%', /%REQ% needs an argument/],
    ['%PROTOCOL(x)%', /%PROTOCOL% takes no argument/],
    ['%BYTES_SENT:3%', /%BYTES_SENT% takes no length/],
    ['%START_TIME(%Q)%', /%START_TIME\(%Q\)%: %Q is not a time conversion/],
    ['%PATH(XX)%', /write WQ or NQ/],
    ['%PATH(WQ:NOPE)%', /write WQ or NQ/],
    ['%PATH(WQ:toString)%', /write WQ or NQ/],
    ['%COMMON_DURATION(DS_RX_BEG:US_CX_END:ms)%', /write START:END:UNIT/],
    ['%COMMON_DURATION(DS_RX_BEG)%', /write START:END:UNIT/],
    ['%GRPC_STATUS(x)%', /takes CAMEL_STRING, SNAKE_STRING or NUMBER/],
  ];
  for (const [format, expected] of rows) {
    t.match(problem('TEXT', format), expected, format);
    t.match(problem('JSON', JSON.stringify({ a: [format.replace('100%', '100% ')] })), format === '100%' ? /a % must begin/ : expected, `${format} in JSON`);
  }
  t.match(problem('JSON', '{'), /is not JSON/);
  t.match(problem('JSON', '[]'), /must be an object/);
  t.match(problem('JSON', `${'{"a":'.repeat(20)}1${'}'.repeat(20)}`), /nested deeper than 16/);
});

t.test('the start of a second is remembered, not mistaken', async (t) => {
  const compiled = compileFormat('TEXT', '%START_TIME%');
  if ('problem' in compiled) throw new Error(compiled.problem);
  const base = Date.UTC(2026, 11, 31, 23, 59, 59, 999);
  for (const offset of [0, 1, -998, 2000, -999, 0, 86_400_000, -86_400_000]) {
    t.equal(compiled(completedStream({ info: { startTimeMs: base + offset } })), `${new Date(base + offset).toISOString()}\n`);
  }
});
