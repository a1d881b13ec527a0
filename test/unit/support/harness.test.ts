/** The harness itself: what a whole-proxy test relies on must not be guessed from a proxy that passes. */

import t from 'tap';
import { TestClock } from '../../support/clock.ts';
import { startEnvoy, startNginx } from '../../support/peer.ts';
import { envoy, program } from '../../support/programs.ts';
import { scriptedRandom } from '../../support/random.ts';
import { exchangeUntilClose, RawClient, request } from '../../support/raw-client.ts';
import { Upstream } from '../../support/upstream.ts';

t.test('an upstream answers, records what it saw, and a client reads the answer', async (t) => {
  const upstream = await Upstream.start(t, { body: 'hello' });
  const response = await request(t, upstream.port, { method: 'POST', path: '/a?b=c', host: 'reviews', headers: { 'X-Kept': 'Case' }, body: 'four' });
  t.match(response, { status: 200, text: 'hello', version: 'HTTP/1.1' });
  const seen = await upstream.next();
  t.match(seen, { method: 'POST', path: '/a?b=c', ended: true, bodyBytes: 4 });
  t.same(seen.headers[1], ['X-Kept', 'Case'], 'names as sent');
  t.equal(seen.header('x-kept'), 'Case');
  t.equal((await seen.body()).toString(), 'four');
  t.match(upstream.text, /^POST \/a\?b=c HTTP\/1.1\r\n/);
});

t.test('pipelined, chunked, interim, bodyless and close-delimited answers are told apart', async (t) => {
  const answers = [
    'HTTP/1.1 100 Continue\r\n\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nx-sum: 5\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n',
    'HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n',
    'HTTP/1.0 200 OK\r\n\r\nuntil the end',
  ];
  const upstream = await Upstream.start(t, {
    onRequest: ({ connection, method }) => {
      connection.send(answers.splice(0, method === 'POST' ? 2 : 1).join(''));
      if (answers.length === 0) connection.end();
    },
  });
  const client = await RawClient.connect(t, upstream.port);
  client.request({ method: 'POST', body: 'x' });
  client.request({ method: 'HEAD' });
  client.request();
  client.request();
  t.match(await client.response(), { status: 100, text: '' });
  t.match(await client.response(), { status: 200, text: 'abcde', trailers: [['x-sum', '5']] });
  t.match(await client.response(), { status: 200, text: '' }, 'HEAD');
  t.match(await client.response(), { status: 304, text: '' });
  t.match(await client.response(), { status: 200, version: 'HTTP/1.0', text: 'until the end' });
  t.equal(await client.closed(), 'ended');
});

t.test('resets, half-closes and stalls are real', async (t) => {
  const upstream = await Upstream.start(t, { onRequest: ({ path, connection }) => (path === '/reset' ? connection.reset() : connection.send('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab')) });
  const reset = await RawClient.connect(t, upstream.port);
  reset.request({ path: '/reset' });
  await t.rejects(reset.response(), /connection reset before a whole answer/);
  const cut = await RawClient.connect(t, upstream.port);
  cut.request({ path: '/half' });
  await cut.until('\r\n\r\nab');
  await t.rejects(cut.response(50), /still waiting after 50 ms/);
  cut.end();
  await t.rejects(cut.response(), /ended before a whole answer/);
  const stalling = await Upstream.start(t, { onConnection: (connection) => connection.stall() });
  const writer = await RawClient.connect(t, stalling.port);
  writer.send(Buffer.alloc(64 * 1024 * 1024));
  t.equal(await writer.quiet(50), '');
  t.ok(writer.socket.writableLength > 0, 'a reader that stopped is felt by the writer');
  t.equal(stalling.connections[0]?.bytesReceived, 0);
});

t.test('an upstream resets a connection whose framing it cannot read', async (t) => {
  const upstream = await Upstream.start(t);
  await exchangeUntilClose(t, upstream.port, 'POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n');
  t.match(upstream.failures[0]?.message, /chunk size line "zz"/);
});

t.test('a stopped upstream refuses, and listens again on its port', async (t) => {
  const first = await Upstream.start(t);
  const { port } = first;
  await first.stop();
  await t.rejects(request(t, port), /ECONNREFUSED/);
  await Upstream.start(t, { body: 'back' }, port);
  t.equal((await request(t, port)).text, 'back');
});

t.test('the test clock fires timers in order, each at its own moment, and never a cancelled one', async (t) => {
  const clock = new TestClock(1000);
  const fired: string[] = [];
  clock.setTimer(20, () => fired.push(`late ${clock.now()}`));
  clock.setTimer(10, () => clock.setTimer(5, () => fired.push(`nested ${clock.now()}`)));
  clock.setTimer(12, () => fired.push('never')).cancel();
  clock.advance(19);
  t.same(fired, ['nested 15']);
  t.equal(clock.pending, 1);
  clock.advance(1);
  t.same(fired, ['nested 15', 'late 20']);
  t.equal(clock.wallTime(), 1020);
});

t.test('scripted chance', async (t) => {
  const random = scriptedRandom(0.25, 0.75);
  t.same([random(), random(), random()], [0.25, 0.75, 0.25]);
});

t.test('Envoy in front of an upstream', { skip: envoy().missing }, async (t) => {
  const upstream = await Upstream.start(t, { body: 'behind envoy' });
  const port = await startEnvoy(t, { clusters: { one: upstream.port }, routes: [{ match: { prefix: '/' }, route: { cluster: 'one' } }] });
  const response = await request(t, port, { path: '/x' });
  t.match(response, { status: 200, text: 'behind envoy' });
  t.equal(response.header('server'), 'envoy');
});

t.test('nginx in front of an upstream', { skip: program('nginx').missing }, async (t) => {
  const upstream = await Upstream.start(t, { body: 'behind nginx' });
  const port = await startNginx(t, `location / { proxy_pass http://127.0.0.1:${upstream.port}; }`);
  t.match(await request(t, port), { status: 200, text: 'behind nginx' });
});
