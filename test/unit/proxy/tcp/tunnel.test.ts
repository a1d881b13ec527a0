/** Connections passed through over real sockets, with the time in the test's hand: limits, timeouts, flags, and permits given back. */

import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import type { ConnectionPoolConfig } from '../../../../config/runtime/cluster.ts';
import { createEventClock } from '../../../../proxy/base/event-clock.ts';
import { renderResponseFlags } from '../../../../proxy/stream/response-flags.ts';
import { Tunnel, type TunnelOutcome, type TunnelTarget } from '../../../../proxy/tcp/tunnel.ts';
import { Cluster } from '../../../../proxy/upstream/cluster.ts';
import { TestClock } from '../../../support/clock.ts';
import { clusterOf } from '../../../support/data-path.ts';
import { RawSocket } from '../../../support/raw-socket.ts';
import { eventually } from '../../../support/scope.ts';

const HOUR_MS = 3_600_000;

/** A place to tunnel to, whose connections answer nothing by themselves. */
interface Far {
  readonly port: number;
  readonly connections: RawSocket[];
}

interface Opened {
  readonly client: RawSocket;
  /** Empty while it lasts, then one. */
  readonly outcomes: readonly TunnelOutcome[];
}

class Scene {
  readonly clock: TestClock = new TestClock();
  readonly cluster: Cluster;
  readonly far: Far;
  readonly #t: Test;
  readonly #near: Server;
  readonly #eventClock = createEventClock(this.clock);

  constructor(t: Test, far: Far, near: Server, connectionPool: ConnectionPoolConfig) {
    this.#t = t;
    this.far = far;
    this.#near = near;
    this.cluster = new Cluster(clusterOf('PassthroughCluster', 1, { discovery: 'ORIGINAL_DST', connectionPool }), { clock: this.#eventClock, random: () => 0, resolver: async () => [] });
  }

  /** A client whose connection is passed on, with `first` as its first bytes. */
  async open(first: string, port: number = this.far.port, more: Partial<TunnelTarget> = {}): Promise<Opened> {
    const accepted = once(this.#near, 'connection') as Promise<[Socket]>;
    const socket = connect({ port: portOf(this.#near), host: '127.0.0.1', allowHalfOpen: true });
    const client = new RawSocket(socket);
    this.#t.teardown(() => socket.destroy());
    const [downstream] = await accepted;
    const outcomes: TunnelOutcome[] = [];
    const tunnel = new Tunnel(downstream, { cluster: this.cluster, pick: () => this.cluster.pickOriginal('127.0.0.1', port), isOwn: () => false, ...more }, this.#eventClock, (ended) => outcomes.push(ended));
    downstream.on('data', (bytes: Buffer) => {
      this.#eventClock.tick();
      tunnel.onBytes(bytes, 0, bytes.length);
    });
    downstream.on('end', () => tunnel.onEnd());
    downstream.on('error', () => {});
    downstream.on('close', () => tunnel.onGone());
    this.#t.teardown(() => tunnel.onGone());
    client.send(first);
    return { client, outcomes };
  }

  /** The connection of `opened` has reached the far side, which has its first bytes. */
  async through(first: string): Promise<RawSocket> {
    return eventually(() => this.far.connections.find(({ text }) => text.startsWith(first)), `${first} at the far side`);
  }
}

async function sceneOf(t: Test, connectionPool: ConnectionPoolConfig = {}): Promise<Scene> {
  const connections: RawSocket[] = [];
  const far = await listening(t, (socket) => connections.push(new RawSocket(socket)));
  return new Scene(t, { port: portOf(far), connections }, await listening(t, () => {}), connectionPool);
}

async function listening(t: Test, accept: (socket: Socket) => void): Promise<Server> {
  const sockets: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    accept(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return server;
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

/** Of each end that was told. */
function flagsOf({ outcomes }: Opened): readonly string[] {
  return outcomes.map(({ flags }) => renderResponseFlags(flags));
}

t.test('without traffic for an hour both sides are closed; every byte either way begins the hour anew', async (t) => {
  const scene = await sceneOf(t);
  const opened = await scene.open('hello');
  const far = await scene.through('hello');
  scene.clock.advance(HOUR_MS - 1);
  far.send('back');
  await opened.client.until('back');
  scene.clock.advance(HOUR_MS - 1);
  opened.client.send(' again');
  await far.until('hello again');
  scene.clock.advance(HOUR_MS - 1);
  t.same(opened.outcomes, []);
  scene.clock.advance(1);
  await Promise.all([opened.client.closed(), far.closed()]);
  t.match(opened.outcomes, [{ bytesReceived: 11, bytesSent: 4, flags: 0, failureReason: undefined, host: { address: `127.0.0.1:${scene.far.port}` } }], 'no flag, as in Envoy');
  t.equal(opened.outcomes.length, 1, 'told once');
  t.same([scene.cluster.breaker.connections, scene.cluster.stats.upstreamCxActive, scene.cluster.stats.upstreamCxTotal], [0, 0, 1]);
  t.equal(scene.cluster.stats.upstreamCxIdleTimeout, 1);
  t.equal(scene.clock.pending, 0, 'no timer is left');
});

t.test('the idle timeout is the cluster\'s, 0 is none', async (t) => {
  const short = await sceneOf(t, { tcpIdleTimeoutMs: 5000 });
  const opened = await short.open('hello');
  await short.through('hello');
  short.clock.advance(4999);
  t.same(opened.outcomes, []);
  short.clock.advance(1);
  t.strictSame(flagsOf(opened), ['-']);

  const none = await sceneOf(t, { tcpIdleTimeoutMs: 0 });
  const lasting = await none.open('hello');
  await none.through('hello');
  none.clock.advance(1000 * HOUR_MS);
  t.same(lasting.outcomes, []);
  t.equal(none.clock.pending, 0);
});

t.test('it ends when it has lasted as long as it may, traffic or not', async (t) => {
  const scene = await sceneOf(t, { maxConnectionDurationMs: 60_000 });
  const opened = await scene.open('hello');
  const far = await scene.through('hello');
  scene.clock.advance(59_999);
  far.send('back');
  await opened.client.until('back');
  t.same(opened.outcomes, []);
  scene.clock.advance(1);
  t.strictSame(flagsOf(opened), ['DT']);
  t.equal(scene.cluster.stats.upstreamCxMaxDurationReached, 1);
  t.equal(scene.cluster.breaker.connections, 0);
});

t.test('past the cluster\'s connections one is closed, not queued', async (t) => {
  const scene = await sceneOf(t, { maxConnections: 1 });
  const first = await scene.open('first');
  await scene.through('first');
  const second = await scene.open('second');
  t.strictSame(flagsOf(second), ['UO']);
  await second.client.closed();
  t.equal(scene.cluster.stats.upstreamCxOverflow, 1);
  t.equal(scene.cluster.breaker.connections, 1);
  first.client.reset();
  await eventually(() => first.outcomes.length > 0, 'the end of the first');
  t.equal(scene.cluster.breaker.connections, 0);
  const third = await scene.open('third');
  await scene.through('third');
  t.same(third.outcomes, [], 'its place is free again');
  t.notOk(scene.far.connections.some(({ text }) => text.includes('second')));
});

t.test('a connect that fails is told as in Envoy, and holds no permit', async (t) => {
  const scene = await sceneOf(t, { maxConnections: 1 });
  const gone = await listening(t, () => {});
  const port = portOf(gone);
  await new Promise((resolve) => gone.close(resolve));
  const refused = await scene.open('hello', port);
  await eventually(() => refused.outcomes.length > 0, 'the refusal');
  t.strictSame(flagsOf(refused), ['UF,URX']);
  t.equal(refused.outcomes[0]?.failureReason, 'delayed connect error: Connection refused');
  t.match(scene.cluster.stats, { upstreamCxConnectFail: 1, upstreamCxConnectTimeout: 0, upstreamCxTotal: 1, upstreamCxActive: 0 });

  const slow = await scene.open('hello');
  scene.clock.advance(10_000);
  t.strictSame(flagsOf(slow), ['UF,URX'], 'at the connect timeout');
  t.match(scene.cluster.stats, { upstreamCxConnectFail: 2, upstreamCxConnectTimeout: 1, upstreamCxTotal: 2, upstreamCxActive: 0 });
  t.equal(scene.cluster.breaker.connections, 0);
});

t.test('connects are tried as often as the route allows, each at another host', async (t) => {
  const scene = await sceneOf(t);
  const dead = await listening(t, () => {});
  const deadPort = portOf(dead);
  await new Promise((resolve) => dead.close(resolve));
  const ports = [deadPort, scene.far.port];
  const pick: TunnelTarget['pick'] = (tried) => scene.cluster.pickOriginal('127.0.0.1', ports[tried.length] as number);
  const opened = await scene.open('hello', 0, { pick, maxConnectAttempts: 2 });
  await scene.through('hello');
  opened.client.end();
  (await scene.through('hello')).end();
  await eventually(() => opened.outcomes.length > 0, 'its end');
  t.match(opened.outcomes, [{ flags: 0, bytesReceived: 5, host: { address: `127.0.0.1:${scene.far.port}` } }]);
  t.match(scene.cluster.stats, { upstreamCxConnectFail: 1, upstreamCxTotal: 2, upstreamCxActive: 0 });

  const none = await scene.open('nowhere', 0, { pick: () => undefined });
  t.strictSame(flagsOf(none), ['UH']);
  t.equal(scene.cluster.breaker.connections, 0);
});

t.test('a tunnel through the host begins with its consent', async (t) => {
  const scene = await sceneOf(t);
  const opened = await scene.open('hello', scene.far.port, { connectTo: 'db.example:5432' });
  const asked = await scene.through('CONNECT db.example:5432 HTTP/1.1\r\nHost: db.example:5432\r\n\r\n');
  t.notMatch(asked.text, 'hello', 'nothing before the answer');
  asked.send('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nready');
  await opened.client.until('ready');
  await asked.until('hello');

  const refused = await scene.open('again', scene.far.port, { connectTo: 'secret.example:1' });
  (await scene.through('CONNECT secret')).send('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
  await eventually(() => refused.outcomes.length > 0, 'the refusal');
  t.match(refused.outcomes, [{ failureReason: 'CONNECT was answered 407', bytesSent: 0 }]);
  t.strictSame(flagsOf(refused), ['UF,URX']);

  const slow = await scene.open('wait', scene.far.port, { connectTo: 'slow.example:1' });
  await scene.through('CONNECT slow');
  scene.clock.advance(10_000);
  t.match(slow.outcomes, [{ failureReason: 'CONNECT was not answered in time' }]);
  opened.client.reset();
  await eventually(() => opened.outcomes.length > 0, 'the end of the first');
  t.match([scene.cluster.breaker.connections, scene.cluster.stats.upstreamCxActive], [0, 0]);
});

t.test('the last bytes reach a slow reader after both sides have ended', async (t) => {
  const scene = await sceneOf(t);
  const opened = await scene.open('give');
  const far = await scene.through('give');
  opened.client.end();
  const bytes = 8 * 1024 * 1024;
  far.send('x'.repeat(bytes));
  far.end();
  await eventually(() => opened.client.bytesReceived === bytes, 'all of it');
  await eventually(() => opened.outcomes.length > 0, 'its end');
  t.match(opened.outcomes, [{ bytesSent: bytes, flags: 0 }]);
});

t.test('a side that breaks off does not look to the other as if it had ended', async (t) => {
  const scene = await sceneOf(t);
  const first = await scene.open('give');
  const far = await scene.through('give');
  far.send('half of it');
  await first.client.until('half of it');
  far.reset();
  t.equal(await first.client.closed(), 'reset', 'the upstream broke off');
  const second = await scene.open('take');
  const taker = await scene.through('take');
  second.client.reset();
  t.equal(await taker.closed(), 'reset', 'the downstream broke off');
  await eventually(() => second.outcomes.length > 0, 'its end');
  t.match([...first.outcomes, ...second.outcomes], [{ bytesReceived: 4, bytesSent: 10, flags: 0 }, { bytesReceived: 4, bytesSent: 0, flags: 0 }]);
  t.match([scene.cluster.breaker.connections, scene.cluster.stats.upstreamCxActive], [0, 0]);
});
