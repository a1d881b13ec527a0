/** What of a request consistent hashing goes by, and the cookie that is made where there is none. */

import t from 'tap';
import type { HashPolicyConfig } from '../../../../config/runtime/route.ts';
import { createHashKey, type HashKey } from '../../../../proxy/router/hash-key.ts';
import { HeaderList } from '../../../../proxy/stream/header-list.ts';
import { StreamInfo } from '../../../../proxy/stream/stream-info.ts';
import type { Stream } from '../../../../proxy/stream/stream.ts';

function streamOf(headers: string[], path = '/', remote = '10.0.0.9:4000'): Stream {
  const info = new StreamInfo();
  info.downstream = { localAddress: '10.0.0.1:80', remoteAddress: remote };
  return { request: { method: 'GET', path, originalPath: undefined, authority: 'a', scheme: 'http', headers: new HeaderList(headers) }, response: undefined, info, direction: 'outbound', route: undefined };
}

function keyOf(policy: HashPolicyConfig, stream: Stream): HashKey['value'] {
  return createHashKey(policy)(stream, '10.0.0.9').value;
}

t.test('header, query parameter, source address', (t) => {
  t.equal(keyOf({ kind: 'header', name: 'x-user' }, streamOf(['x-user', 'ann'])), 'ann');
  t.equal(keyOf({ kind: 'header', name: 'x-user' }, streamOf([])), undefined);
  for (const lines of [['b', 'a'], ['a', 'b']]) t.strictSame(keyOf({ kind: 'header', name: 'x-user' }, streamOf(lines.flatMap((value) => ['x-user', value]))), ['a', 'b'], 'in any order');
  t.equal(keyOf({ kind: 'header', name: 'user-agent' }, streamOf(['user-agent', 'b', 'user-agent', 'a'])), 'b,a', 'Envoy makes one line of them');
  t.equal(keyOf({ kind: 'query', name: 'u' }, streamOf([], '/a?x=1&u=ann&u=bob')), 'ann');
  t.equal(keyOf({ kind: 'query', name: 'u' }, streamOf([], '/a?x=1')), undefined);
  t.equal(keyOf({ kind: 'source-ip' }, streamOf([])), '10.0.0.9');
  const forwarded = streamOf([]);
  forwarded.info.forwardedAddress = '192.0.2.7';
  t.equal(keyOf({ kind: 'source-ip' }, forwarded), '192.0.2.7', 'x-forwarded-for, where it is believed');
  t.end();
});

t.test('a cookie that is there', (t) => {
  const policy: HashPolicyConfig = { kind: 'cookie', name: 'session', ttlMs: 0, attributes: [] };
  t.equal(keyOf(policy, streamOf(['cookie', 'a=1; session=abc; b=2'])), 'abc');
  t.equal(keyOf(policy, streamOf(['cookie', 'session="abc"'])), 'abc', 'quotes are not part of it');
  t.equal(keyOf(policy, streamOf(['cookie', 'xsession=no', 'cookie', 'session=yes'])), 'yes');
  t.equal(createHashKey(policy)(streamOf(['cookie', 'session=abc']), '').setCookie, undefined);
  t.end();
});

t.test('a cookie that is made: stable for a connection, in Envoy\'s form', (t) => {
  const make = (policy: Omit<Extract<HashPolicyConfig, { kind: 'cookie' }>, 'kind' | 'name'>, stream = streamOf([])) => createHashKey({ kind: 'cookie', name: 'session', ...policy })(stream, '');
  const session = make({ ttlMs: 0, path: '/shop', attributes: [] });
  t.match(session.value, /^[0-9a-f]{16}$/);
  t.equal(session.setCookie, `session="${String(session.value)}"; Path=/shop; HttpOnly`);
  t.equal(make({ ttlMs: 3_600_000, attributes: [['SameSite', 'Strict'], ['Secure', '']] }).setCookie, `session="${String(session.value)}"; Max-Age=3600; SameSite=Strict; Secure; HttpOnly`);
  t.not(make({ ttlMs: 0, attributes: [] }, streamOf([], '/', '10.0.0.9:4001')).value, session.value, 'another connection, another cookie');
  t.strictSame(make({ attributes: [] }), { value: undefined }, 'without a ttl none is made');
  t.equal(make({ ttlMs: 0, attributes: [] }, streamOf(['cookie', 'session='])).value, session.value, 'an empty one counts as none');
  t.end();
});
