/** CORS: answers recorded from Envoy 1.40, but for IGNORE, which istio-api.md 2.11 wants without any CORS header. */

import t from 'tap';
import type { RouteActionConfig } from '../../../../config/runtime/route.ts';
import type { Filter } from '../../../../filters/filter.ts';
import { createCors, type CorsPolicy } from '../../../../filters/http/cors.ts';
import { HeaderList } from '../../../../proxy/stream/header-list.ts';
import type { LocalReply } from '../../../../proxy/stream/local-reply.ts';
import { StreamInfo } from '../../../../proxy/stream/stream-info.ts';
import type { Stream } from '../../../../proxy/stream/stream.ts';

const origins: CorsPolicy['allowOrigins'] = [
  { kind: 'exact', value: 'http://a.com' },
  { kind: 'regex', value: 'https://.*\\.b\\.com' },
];
const full: CorsPolicy = { allowOrigins: origins, allowMethods: 'GET,PUT', allowHeaders: 'x-a,x-b', exposeHeaders: 'x-e', maxAge: '600', allowCredentials: true, unmatchedPreflights: 'FORWARD' };
const minimal: CorsPolicy = { allowOrigins: origins, unmatchedPreflights: 'FORWARD' };
const forward: RouteActionConfig = { kind: 'forward', destinations: [] };

function created(policy: CorsPolicy): Filter {
  const filter = createCors(policy, { random: () => 0, now: () => 0, setTimer: () => ({ cancel: () => {} }) });
  if (filter === undefined) throw new Error('no filter');
  return filter;
}

function streamOf(method: string, headers: readonly string[], action: RouteActionConfig = forward): Stream {
  const route = { name: 'r', match: { headers: [], query: [] }, action, filters: [], index: 0 };
  const request = { method, path: '/', originalPath: undefined, authority: 'h', scheme: 'http', headers: new HeaderList([...headers]) };
  return { request, response: undefined, info: new StreamInfo(), direction: 'outbound', route };
}

const origin = ['origin', 'http://a.com'];
const asks = ['access-control-request-method', 'PUT'];

t.test('preflights', (t) => {
  const everything = [
    'access-control-allow-origin', 'http://a.com',
    'access-control-allow-methods', 'GET,PUT',
    'access-control-allow-headers', 'x-a,x-b',
    'access-control-max-age', '600',
    'access-control-allow-credentials', 'true',
    'access-control-expose-headers', 'x-e',
  ];
  const ignore: CorsPolicy = { ...full, unmatchedPreflights: 'IGNORE' };
  const star: CorsPolicy = { ...minimal, allowMethods: '*', allowHeaders: '*', exposeHeaders: '*', maxAge: '0' };
  const direct: RouteActionConfig = { kind: 'direct', status: 200 };
  const cases: readonly (readonly [what: string, policy: CorsPolicy, stream: Stream, answer: readonly string[] | undefined])[] = [
    ['allowed', full, streamOf('OPTIONS', [...origin, ...asks]), everything],
    ['allowed by regex', minimal, streamOf('OPTIONS', ['origin', 'https://x.b.com', ...asks]), ['access-control-allow-origin', 'https://x.b.com']],
    ['credentials false are left out', { ...minimal, allowCredentials: false, allowMethods: '' }, streamOf('OPTIONS', [...origin, ...asks]), ['access-control-allow-origin', 'http://a.com']],
    ['other origin goes upstream', full, streamOf('OPTIONS', ['origin', 'http://z.com', ...asks]), undefined],
    ['other origin, IGNORE', ignore, streamOf('OPTIONS', ['origin', 'http://z.com', ...asks]), []],
    ['two origins are no origin', full, streamOf('OPTIONS', [...origin, 'origin', 'http://z.com', ...asks]), undefined],
    ['no origin, IGNORE', ignore, streamOf('OPTIONS', asks), undefined],
    ['empty origin', full, streamOf('OPTIONS', ['origin', '', ...asks]), undefined],
    ['no asked method', ignore, streamOf('OPTIONS', origin), undefined],
    ['empty asked method', full, streamOf('OPTIONS', [...origin, 'access-control-request-method', '']), undefined],
    ['not OPTIONS', full, streamOf('GET', [...origin, ...asks]), undefined],
    ['direct response routes have no CORS', full, streamOf('OPTIONS', [...origin, ...asks], direct), undefined],
    ['exact * is any origin', { ...minimal, allowOrigins: [{ kind: 'exact', value: '*' }] }, streamOf('OPTIONS', [...origin, ...asks]), ['access-control-allow-origin', 'http://a.com']],
    [
      '* grants what is asked',
      star,
      streamOf('OPTIONS', [...origin, ...asks, 'access-control-request-headers', 'x-z', 'access-control-request-headers', 'x-y']),
      ['access-control-allow-origin', 'http://a.com', 'access-control-allow-methods', 'PUT', 'access-control-allow-headers', 'x-z,x-y', 'access-control-max-age', '0', 'access-control-expose-headers', '*'],
    ],
  ];
  for (const [what, policy, stream, answer] of cases) {
    const filter = created(policy);
    const expected: LocalReply | undefined = answer === undefined ? undefined : { status: 200, body: '', headers: answer, flags: 0, details: 'cors_response', withoutRouteHeaders: true };
    t.strictSame(filter.onRequest?.(stream), expected, what);
    if (answer === undefined) continue;
    stream.response = { status: 200, headers: new HeaderList([...answer]) };
    t.equal(filter.onResponse?.(stream), undefined);
    t.strictSame(stream.response.headers.items, answer, 'the answer to a preflight is not marked again');
  }
  t.end();
});

t.test('actual requests', (t) => {
  const answered = (policy: CorsPolicy, requestHeaders: readonly string[], responseHeaders: readonly string[]): readonly string[] => {
    const filter = created(policy);
    const stream = streamOf('GET', requestHeaders);
    t.equal(filter.onRequest?.(stream), undefined, 'always goes upstream');
    // Header operations of the route may take it away before it is sent.
    stream.request.headers.remove('origin');
    stream.response = { status: 200, headers: new HeaderList([...responseHeaders]) };
    t.equal(filter.onResponse?.(stream), undefined);
    return stream.response.headers.items;
  };
  const upstream = ['access-control-allow-origin', 'up', 'access-control-allow-origin', 'up2', 'access-control-expose-headers', 'upx', 'access-control-allow-credentials', 'false', 'vary', 'Accept'];
  t.strictSame(answered(full, origin, ['x', '1']), ['x', '1', 'access-control-allow-origin', 'http://a.com', 'access-control-allow-credentials', 'true', 'access-control-expose-headers', 'x-e']);
  t.strictSame(answered(full, origin, upstream), ['access-control-allow-origin', 'http://a.com', 'access-control-expose-headers', 'x-e', 'access-control-allow-credentials', 'true', 'vary', 'Accept']);
  t.strictSame(answered(minimal, origin, upstream), ['access-control-allow-origin', 'http://a.com', 'access-control-expose-headers', 'upx', 'access-control-allow-credentials', 'false', 'vary', 'Accept']);
  t.strictSame(answered(full, ['origin', 'http://z.com'], upstream), upstream, 'another origin: the upstream speaks for itself');
  t.strictSame(answered(full, ['origin', 'http://A.com'], []), []);
  t.strictSame(answered(full, [...origin, ...origin], []), []);
  t.strictSame(answered(full, [], []), []);
  t.end();
});

t.test('without origins there is no filter', (t) => {
  t.equal(createCors({ ...full, allowOrigins: [] }, { random: () => 0, now: () => 0, setTimer: () => ({ cancel: () => {} }) }), undefined);
  t.end();
});
