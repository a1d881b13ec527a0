/** Rewrites, redirects and direct responses. Expected values marked "Envoy" were recorded from Envoy 1.40. */

import t from 'tap';
import type { RedirectAction, RewriteConfig } from '../../../../config/runtime/route.ts';
import { createDirectResponse } from '../../../../proxy/router/direct-response.ts';
import { httpsRedirectLocation, redirectLocation, redirectReply } from '../../../../proxy/router/redirect.ts';
import { createRewrite } from '../../../../proxy/router/rewrite.ts';
import { HeaderList } from '../../../../proxy/stream/header-list.ts';
import type { RequestHead } from '../../../../proxy/stream/stream.ts';

function request(path: string, head: Partial<RequestHead> = {}, headers: readonly string[] = []): RequestHead {
  return { method: 'GET', path, originalPath: undefined, authority: 'h.com:80', scheme: 'http', headers: new HeaderList([...headers]), ...head };
}

t.test('path', (t) => {
  const prefix = (from: string, to: string): RewriteConfig => ({ uri: { kind: 'prefix', from, to } });
  const whole = (to: string): RewriteConfig => ({ uri: { kind: 'path', from: '', to } });
  const regex = (match: string, substitution: string): RewriteConfig => ({ regex: { match, substitution } });
  const cases: readonly (readonly [config: RewriteConfig, path: string, expected: string])[] = [
    [prefix('/pre', '/'), '/pre/a', '//a'],
    [prefix('/api/', '/'), '/api/a?b=c', '/a?b=c'],
    [prefix('/', '/new/'), '/a', '/new/a'],
    [prefix('/', '/'), '/', '/'],
    [prefix('/A', '/b'), '/a/x', '/b/x'],
    [prefix('/a', 'noslash'), '/a/x', '/noslash/x'],
    [prefix('/é', '/e'), '/\u00c3\u00a9/x', '/e/x'],
    [whole('/new'), '/old?q', '/new?q'],
    [whole('/new'), '/old', '/new'],
    [whole('/né'), '/old', '/n\u00c3\u00a9'],
    // Envoy's answers.
    [regex('/rx/(a*)', '/\\1/\\0/\\\\x'), '/rx/aaa/rx/?/rx/a', '/aaa//rx/aaa/\\x///rx//\\x?/rx/a'],
    [regex('.*', '/whole'), '/hello?q', '/whole?q'],
    [regex('^/nomatch', '/y'), '/rz/a', '/rz/a'],
    [regex('g', 'z\\3'), '/rg', '/rg'],
    [regex('^/service/([^/]+)(/.*)$', '\\2/instance/\\1'), '/service/foo/v1/api', '/v1/api/instance/foo'],
    [regex('^/', ''), '/a', '/a'],
  ];
  for (const [config, path, expected] of cases) {
    const head = request(path, {}, ['x-envoy-original-path', '/forged']);
    createRewrite(config)(head);
    t.equal(head.path, expected, `${JSON.stringify(config)} ${path}`);
    t.equal(head.originalPath, path);
    t.strictSame(head.headers.getAll('x-envoy-original-path'), [path], 'Envoy sets it even where nothing changed');
    t.equal(head.headers.has('x-envoy-original-host'), false);
  }
  t.end();
});

t.test('authority', (t) => {
  const head = request('/a', {}, ['x-envoy-original-host', 'forged']);
  createRewrite({ authority: 'other:99' })(head);
  t.equal(head.authority, 'other:99');
  t.strictSame(head.headers.items, ['x-envoy-original-host', 'h.com:80']);
  t.equal(head.path, '/a');
  t.equal(head.originalPath, undefined);
  t.end();
});

t.test('redirect', (t) => {
  const cases: readonly (readonly [what: string, action: Omit<RedirectAction, 'kind' | 'status'>, asked: RequestHead, location: string])[] = [
    // Envoy's answers.
    ['authority', { authority: 'new.com' }, request('/a?q', { authority: 'a.com:8080' }), 'http://new.com/a?q'],
    ['scheme', { scheme: 'https' }, request('/a', { authority: 'a.com' }), 'https://a.com/a'],
    ['scheme away from :80', { scheme: 'https' }, request('/a', { authority: 'a.com:80' }), 'https://a.com/a'],
    ['scheme keeps another port', { scheme: 'https' }, request('/a', { authority: 'a.com:8080' }), 'https://a.com:8080/a'],
    ['scheme keeps :443 of http', { scheme: 'https' }, request('/a', { authority: 'a.com:443' }), 'https://a.com:443/a'],
    ['same scheme keeps :80', { scheme: 'http' }, request('/a', { authority: 'a.com:80' }), 'http://a.com:80/a'],
    ['IPv6', { scheme: 'https' }, request('/a', { authority: '[::1]:80' }), 'https://[::1]/a'],
    ['IPv6 without port', { scheme: 'https' }, request('/a', { authority: '[::1]' }), 'https://[::1]/a'],
    ['port', { port: 8443 }, request('/a', { authority: 'a.com' }), 'http://a.com:8443/a'],
    ['port replaces', { port: 8443 }, request('/a', { authority: '[::1]:80' }), 'http://[::1]:8443/a'],
    ['forwarded proto https, to http', { scheme: 'http' }, request('/a', { authority: 'a.com:443', scheme: 'https' }, ['x-forwarded-proto', 'https']), 'http://a.com/a'],
    ['forwarded proto https, :80 stays', { scheme: 'http' }, request('/a', { authority: 'a.com:80', scheme: 'https' }, ['x-forwarded-proto', 'https']), 'http://a.com:80/a'],
    ['path keeps the query', { uri: { kind: 'path', from: '', to: '/new' } }, request('/a?q=1', { authority: 'a.com:80' }), 'http://a.com:80/new?q=1'],
    ['path with a query', { uri: { kind: 'path', from: '', to: '/new?z=1' } }, request('/a?q=1'), 'http://h.com:80/new?z=1'],
    ['path without a slash', { uri: { kind: 'path', from: '', to: 'rel' } }, request('/a?q'), 'http://h.com:80/rel?q'],
    ['prefix', { uri: { kind: 'prefix', from: '/prefix', to: '/pp' } }, request('/prefix/x?q'), 'http://h.com:80/pp/x?q'],
    ['prefix with a query', { uri: { kind: 'prefix', from: '/preq', to: '/pp?k=1' } }, request('/preq/x?q'), 'http://h.com:80/pp?k=1/x?q'],
    ['encoded CR LF stays encoded', { authority: 'n' }, request('/a/%0d%0aset-cookie:x'), 'http://n/a/%0d%0aset-cookie:x'],
    // Istio: default ports are never written (istio-api.md 2.6).
    ['port 443 of https', { scheme: 'https', port: 443 }, request('/a', { authority: 'a.com:8080' }), 'https://a.com/a'],
    ['port 80 of http', { port: 80 }, request('/a', { authority: 'a.com' }), 'http://a.com/a'],
    ['port 80 of https', { scheme: 'https', port: 80 }, request('/a', { authority: 'a.com' }), 'https://a.com:80/a'],
    ['FROM_REQUEST_PORT', { port: 'request' }, request('/a', { authority: 'a.com' }), 'http://a.com:9080/a'],
    ['FROM_REQUEST_PORT with authority', { port: 'request', authority: 'b' }, request('/a'), 'http://b:9080/a'],
  ];
  for (const [what, action, asked, location] of cases) t.equal(redirectLocation({ kind: 'redirect', status: 301, ...action }, asked, 9080), location, what);
  t.strictSame(redirectReply(308, 'http://a/'), { status: 308, body: '', headers: ['location', 'http://a/'], flags: 0, details: 'direct_response' });
  t.end();
});

t.test('httpsRedirect keeps host, port and query (Envoy)', (t) => {
  t.equal(httpsRedirectLocation(request('/a?b=1', { authority: 'foo:80' })), 'https://foo:80/a?b=1');
  t.equal(httpsRedirectLocation(request('/', { authority: '[::1]:80' })), 'https://[::1]:80/');
  t.end();
});

t.test('direct response', (t) => {
  const fixed = { flags: 0, details: 'direct_response' };
  t.strictSame(createDirectResponse({ kind: 'direct', status: 503 }), { ...fixed, status: 503, body: '' });
  t.strictSame(createDirectResponse({ kind: 'direct', status: 200, body: '' }), { ...fixed, status: 200, body: '' });
  t.strictSame(createDirectResponse({ kind: 'direct', status: 200, body: 'hé' }), { ...fixed, status: 200, body: 'hé' });
  t.strictSame(createDirectResponse({ kind: 'direct', status: 200, body: 'AP8=', encoding: 'base64' }), { ...fixed, status: 200, body: '', bytes: Buffer.from([0, 255]) });
  t.end();
});
