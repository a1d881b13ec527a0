/**
 * Pools of one cluster over real sockets: what they hold permits for is what there is, after every step of whatever order
 * of events, and nothing is left at the end.
 */

import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import type { ConnectionPoolConfig } from '../../../../config/runtime/cluster.ts';
import { createEventClock } from '../../../../proxy/base/event-clock.ts';
import { seededRandom } from '../../../../proxy/base/random.ts';
import { Framing, type ResponseReceiver } from '../../../../proxy/codec/codec.ts';
import type { Http1ClientConnection } from '../../../../proxy/codec/http1/client-connection.ts';
import { HeaderList } from '../../../../proxy/stream/header-list.ts';
import { ClusterStats, HostStats } from '../../../../proxy/telemetry/stats.ts';
import { CircuitBreaker } from '../../../../proxy/upstream/circuit-breaker.ts';
import type { ConnectFailure } from '../../../../proxy/upstream/connector.ts';
import { Http1Pool, type PoolWaiter } from '../../../../proxy/upstream/http1-pool.ts';
import type { PoolSettings } from '../../../../proxy/upstream/pool-settings.ts';
import { TestClock } from '../../../support/clock.ts';
import { eventually } from '../../../support/scope.ts';

const ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';
const LAST_ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n';
const CONNECT_TIMEOUT_MS = 1000;

/** A server whose connections answer when the test says so. */
class Peer {
  readonly sockets: Map<number, Socket> = new Map();
  readonly #server: Server = createServer((socket) => {
    const port = socket.remotePort as number;
    this.sockets.set(port, socket);
    socket.on('error', () => {});
    socket.on('data', () => {});
    socket.on('close', () => this.sockets.delete(port));
  });

  static async start(t: Test): Promise<Peer> {
    const peer = new Peer();
    await new Promise<void>((resolve) => peer.#server.listen(0, '127.0.0.1', resolve));
    t.teardown(() => peer.stop());
    return peer;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  of(connection: Http1ClientConnection): Socket | undefined {
    return this.sockets.get(Number(connection.localAddress?.split(':').at(-1)));
  }

  stop(): void {
    for (const socket of this.sockets.values()) socket.destroy();
    this.#server.close();
  }
}

/** One request: waits, gets its connection or its failure, is answered or cut. */
class Request implements PoolWaiter, ResponseReceiver {
  readonly pool: Http1Pool;
  connection: Http1ClientConnection | undefined;
  failure: ConnectFailure | undefined;
  ended = false;
  given = 0;
  /** Gives its connection back unused. */
  readonly refuses: boolean;
  /** Waits again, as a retry would, in the same call that tells of the failure. */
  readonly retry: (() => void) | undefined;

  constructor(pool: Http1Pool, refuses = false, retry?: () => void) {
    this.pool = pool;
    this.refuses = refuses;
    this.retry = retry;
  }

  onConnection(connection: Http1ClientConnection): void {
    this.given++;
    if (this.refuses) {
      this.ended = true;
      this.pool.onIdle(connection);
      return;
    }
    this.connection = connection;
    const head = { method: 'GET', path: '/', originalPath: undefined, authority: 'a', scheme: 'http', headers: new HeaderList() };
    connection.start(this, head, Framing.None, false);
    connection.flush();
  }

  onConnectFailure(failure: ConnectFailure): void {
    this.given++;
    this.failure = failure;
    this.ended = true;
    this.retry?.();
  }

  get busy(): boolean {
    return this.connection !== undefined && !this.ended;
  }

  onInformational(): void {}
  onResponseHead(): void {}
  onResponseBody(): void {}
  onResponseReadDone(): void {}
  onUpstreamDrain(): void {}

  onResponseEnd(): void {
    this.ended = true;
  }

  onResponseReset(): void {
    this.ended = true;
  }
}

/** A cluster of hosts, without the balancer. */
class Hosts {
  readonly clock: TestClock = new TestClock();
  readonly stats: ClusterStats = new ClusterStats();
  readonly settings: PoolSettings;
  readonly breaker: CircuitBreaker;
  readonly peers: readonly Peer[];
  readonly pools: readonly Http1Pool[];
  readonly requests: Set<Request> = new Set();
  readonly #eventClock = createEventClock(this.clock);

  constructor(peers: readonly Peer[], limits: ConnectionPoolConfig = {}, settings: Partial<PoolSettings> = {}) {
    this.breaker = new CircuitBreaker(limits, this.clock);
    this.settings = { connectTimeoutMs: CONNECT_TIMEOUT_MS, idleTimeoutMs: 0, maxRequestsPerConnection: Infinity, maxDurationMs: Infinity, keepAlive: undefined, isOwn: undefined, tls: undefined, requiresTls: false, poolsByHost: false, proxyProtocol: undefined, fromLoopbackSix: false, ...settings };
    this.peers = peers;
    this.pools = peers.map(({ port }) => new Http1Pool({ address: '127.0.0.1', port }, this.settings, this.#eventClock, { cluster: this.stats, host: new HostStats() }, this.breaker));
  }

  /** A request to host `i`: on an idle connection, else in the queue; undefined where that is full. */
  send(i: number, refuses = false, retry = false): Request | undefined {
    const pool = this.pools[i] as Http1Pool;
    const request = new Request(pool, refuses, retry ? () => void this.send(i) : undefined);
    const idle = pool.take();
    if (idle !== undefined) request.onConnection(idle);
    else if (!pool.wait(request)) return undefined;
    this.requests.add(request);
    return request;
  }

  advance(ms: number): void {
    this.clock.advance(ms);
    this.#eventClock.tick();
  }

  sweep(): void {
    for (const pool of this.pools) pool.sweep(this.#eventClock.now());
  }

  peerOf(request: Request): Peer {
    return this.peers[this.pools.indexOf(request.pool)] as Peer;
  }

  answer(request: Request, text: string = ANSWER): boolean {
    return this.peerOf(request).of(request.connection as Http1ClientConnection)?.write(text) ?? false;
  }

  async answered(request: Request): Promise<void> {
    await eventually(() => request.busy, 'a connection');
    await eventually(() => this.peerOf(request).of(request.connection as Http1ClientConnection), 'the peer to accept');
    this.answer(request);
    await eventually(() => request.ended, 'the end of the exchange');
  }

  get busy(): Request[] {
    return [...this.requests].filter((request) => request.busy);
  }

  get waiting(): Request[] {
    return [...this.requests].filter((request) => request.given === 0 && !request.ended);
  }
}

async function hostsOf(t: Test, count: number, limits?: ConnectionPoolConfig, settings?: Partial<PoolSettings>): Promise<Hosts> {
  const peers = await Promise.all(Array.from({ length: count }, () => Peer.start(t)));
  const hosts = new Hosts(peers, limits, settings);
  t.teardown(() => hosts.pools.forEach((pool) => pool.destroy()));
  return hosts;
}

t.test('whatever happens in whatever order, permits are what there is', async (t) => {
  for (let seed = 1; seed <= 12; seed++) await walk(t, seed);
});

t.test('connections of one host stop at the limit; who came first is served first', async (t) => {
  const hosts = await hostsOf(t, 1, { maxConnections: 2 });
  const requests = Array.from({ length: 5 }, () => hosts.send(0) as Request);
  t.equal(hosts.breaker.connections, 2);
  t.equal(hosts.stats.upstreamCxOverflow, 3, 'each that would have needed one more');
  for (const [i, request] of requests.entries()) {
    await hosts.answered(request);
    t.ok(hosts.waiting.length <= Math.max(0, 3 - i) && hosts.breaker.connections <= 2, `after answer ${i + 1}`);
  }
  t.equal(hosts.stats.upstreamCxTotal, 2);
  t.equal(hosts.stats.upstreamCxActive, 2, 'both are kept');
});

t.test('a host without a connection opens one at the limit, and only one', async (t) => {
  const hosts = await hostsOf(t, 2, { maxConnections: 1 });
  const first = hosts.send(0) as Request;
  const others = [hosts.send(1), hosts.send(1)] as Request[];
  t.equal(hosts.breaker.connections, 2);
  await hosts.answered(others[0] as Request);
  await hosts.answered(others[1] as Request);
  await hosts.answered(first);
  t.equal(hosts.stats.upstreamCxTotal, 2);
});

t.test('a permit that one host gives back serves the waiters of another', async (t) => {
  const hosts = await hostsOf(t, 2, { maxConnections: 2 });
  const [a, b, waiter] = [hosts.send(0), hosts.send(1), hosts.send(1)] as [Request, Request, Request];
  await eventually(() => a.busy && b.busy, 'two connections');
  t.equal(waiter.given, 0);
  a.connection?.resetStream();
  await eventually(() => waiter.busy, 'the permit to go over, the other connection still being busy');
  t.equal(hosts.breaker.connections, 2);
});

t.test('the permit of a host\'s last connection stays with its own waiters', async (t) => {
  const hosts = await hostsOf(t, 2, { maxConnections: 2 });
  const [a, b] = [hosts.send(0), hosts.send(1)] as [Request, Request];
  const [ofB, ofA] = [hosts.send(1), hosts.send(0)] as [Request, Request];
  await eventually(() => a.busy && b.busy, 'two connections');
  a.connection?.resetStream();
  t.equal(hosts.breaker.connections, 2, 'although the other host was first in line');
  await eventually(() => ofA.busy, 'the next connection');
  t.equal(ofB.given, 0);
});

t.test('an idle connection makes room when another host has waiters; the last one of a host does not', async (t) => {
  const hosts = await hostsOf(t, 2, { maxConnections: 3 });
  const held = [hosts.send(0), hosts.send(0), hosts.send(1)] as Request[];
  await Promise.all(held.slice(0, 2).map((request) => hosts.answered(request)));
  const waiters = [hosts.send(1), hosts.send(1)] as [Request, Request];
  t.equal(hosts.breaker.connections, 3);
  hosts.sweep();
  await eventually(() => waiters[0].busy, 'a connection at the place of an idle one');
  hosts.sweep();
  t.equal(hosts.pools[0]?.connections, 1);
  t.equal(waiters[1].given, 0);
});

t.test('past the limit of waiting requests nothing is queued', async (t) => {
  const hosts = await hostsOf(t, 2, { maxPendingRequests: 2 });
  t.ok(hosts.send(0));
  t.ok(hosts.send(1), 'one waits at each host');
  t.equal(hosts.send(0), undefined);
  t.equal(hosts.stats.upstreamRqPendingOverflow, 1);
  t.same([hosts.breaker.pending, hosts.breaker.connections], [2, 2]);
  const [request] = hosts.waiting as [Request];
  giveUp(request);
  t.ok(hosts.send(0), 'a place is free again');
  t.equal(hosts.stats.upstreamCxTotal, 2, 'and the connect that was under way is its');
});

t.test('a connection carries as many requests as it may', async (t) => {
  const hosts = await hostsOf(t, 1, {}, { maxRequestsPerConnection: 2 });
  for (let i = 0; i < 5; i++) await hosts.answered(hosts.send(0) as Request);
  t.equal(hosts.stats.upstreamCxTotal, 3);
  t.equal(hosts.stats.upstreamCxMaxRequests, 2);
  t.equal(hosts.breaker.connections, 1);
  hosts.settings.maxRequestsPerConnection = 1;
  await hosts.answered(hosts.send(0) as Request);
  t.equal(hosts.breaker.connections, 0, 'a reload holds for the connections there are');
});

t.test('a connection that is too old ends when idle, a busy one after its answer', async (t) => {
  const hosts = await hostsOf(t, 1, {}, { maxDurationMs: 60_000 });
  const [idle, busy] = [hosts.send(0), hosts.send(0)] as [Request, Request];
  await hosts.answered(idle);
  await eventually(() => busy.busy, 'a second connection');
  hosts.advance(59_999);
  hosts.sweep();
  t.equal(hosts.breaker.connections, 2);
  hosts.advance(1);
  hosts.sweep();
  t.equal(hosts.breaker.connections, 1);
  await hosts.answered(busy);
  t.equal(hosts.breaker.connections, 0);
  t.equal(hosts.stats.upstreamCxMaxDurationReached, 2);
  t.equal(hosts.stats.upstreamCxIdleTimeout, 0);
});

t.test('an idle connection ends after the idle timeout', async (t) => {
  const hosts = await hostsOf(t, 1, {}, { idleTimeoutMs: 5000 });
  await hosts.answered(hosts.send(0) as Request);
  hosts.advance(5000);
  hosts.sweep();
  t.equal(hosts.breaker.connections, 1);
  hosts.advance(1);
  hosts.sweep();
  t.same([hosts.breaker.connections, hosts.stats.upstreamCxIdleTimeout], [0, 1]);
});

t.test('a host that refuses fails all who wait for its connection at once, whoever has one coming goes on', async (t) => {
  const limited = await hostsOf(t, 1, { maxConnections: 1 });
  limited.peers[0]?.stop();
  const requests = Array.from({ length: 4 }, () => limited.send(0) as Request);
  await eventually(() => requests[0]?.failure, 'the refusal');
  t.same(requests.map(({ failure }) => failure?.kind), Array(4).fill('remote_connection_failure'));
  t.same([limited.breaker.connections, limited.breaker.pending], [0, 0]);
  t.match(limited.stats, { upstreamCxTotal: 1, upstreamCxActive: 0, upstreamCxConnectFail: 1, upstreamRqPendingFailureEject: 4 });

  const free = await hostsOf(t, 1);
  const first = free.send(0) as Request;
  free.advance(CONNECT_TIMEOUT_MS - 1);
  const second = free.send(0) as Request;
  free.advance(1);
  t.equal(first.failure?.kind, 'connection_timeout', 'the moment its time is up');
  t.equal(second.failure, undefined);
  await free.answered(second);
  t.equal(free.stats.upstreamCxConnectTimeout, 1);
});

t.test('ten thousand waiters that are refused one after the other are no deep recursion', async (t) => {
  const hosts = await hostsOf(t, 1, { maxConnections: 1 });
  const requests = Array.from({ length: 10_000 }, () => hosts.send(0, true) as Request);
  await eventually(() => requests.every(({ given }) => given === 1), 'everybody to be asked');
  t.same([hosts.breaker.connections, hosts.breaker.pending], [1, 0]);
});

t.test('limits may change while requests wait', async (t) => {
  const hosts = await hostsOf(t, 1, { maxConnections: 1 });
  const requests = Array.from({ length: 4 }, () => hosts.send(0) as Request);
  hosts.breaker.setLimits({ maxConnections: 3 });
  t.equal(hosts.breaker.connections, 3, 'at once');
  hosts.breaker.setLimits({ maxConnections: 1, maxPendingRequests: 1 });
  t.equal(hosts.send(0), undefined);
  for (const request of requests) await hosts.answered(request);
  t.equal(hosts.breaker.pending, 0);
  hosts.breaker.setLimits(undefined);
  const more = Array.from({ length: 5 }, () => hosts.send(0) as Request);
  t.equal(hosts.breaker.connections, 5);
  for (const request of more) await hosts.answered(request);
});

t.test('a drained host serves who waits for it, then has nothing', async (t) => {
  const hosts = await hostsOf(t, 1, { maxConnections: 1 });
  const requests = [hosts.send(0), hosts.send(0), hosts.send(0)] as Request[];
  hosts.pools[0]?.drain();
  for (const request of requests) await hosts.answered(request);
  t.same(requests.map(({ failure }) => failure), [undefined, undefined, undefined]);
  t.same([hosts.breaker.connections, hosts.stats.upstreamCxActive], [0, 0]);
});

t.test('destroyed, it tells everybody and takes nobody', async (t) => {
  const hosts = await hostsOf(t, 1, { maxConnections: 1 });
  const busy = hosts.send(0) as Request;
  await eventually(() => busy.busy, 'a connection');
  const waiter = hosts.send(0, false, true) as Request;
  hosts.pools[0]?.destroy();
  t.equal(waiter.failure?.reason, 'proxy is shutting down');
  t.equal(hosts.send(0), undefined, 'nor did the retry get in');
  t.same([hosts.breaker.connections, hosts.breaker.pending, hosts.stats.upstreamCxActive], [0, 0, 0]);
});

/** Some hundred random steps; after each of them the books must be right. */
async function walk(t: Test, seed: number): Promise<void> {
  const random = seededRandom(seed);
  const upTo = (limit: number): number => Math.floor(random() * limit);
  const maxConnections = 1 + upTo(5);
  const limits = { maxConnections, maxPendingRequests: 8 };
  const hosts = await hostsOf(t, 3, limits, random() < 0.3 ? { maxRequestsPerConnection: 2 } : {});
  const pick = <T>(list: readonly T[]): T | undefined => list[upTo(list.length)];
  let lowered = false;
  const steps: readonly (readonly [weight: number, step: () => unknown])[] = [
    [8, () => hosts.send(upTo(3), random() < 0.1, random() < 0.2)],
    [6, () => withOne(pick(hosts.busy), (request) => hosts.answer(request, random() < 0.2 ? LAST_ANSWER : ANSWER))],
    [2, () => withOne(pick(hosts.waiting), giveUp)],
    [1, () => withOne(pick(hosts.busy), (request) => hosts.peerOf(request).of(request.connection as Http1ClientConnection)?.resetAndDestroy())],
    [1, () => withOne(pick(hosts.busy), cancel)],
    [1, () => withOne(pick([...(pick(hosts.peers)?.sockets.values() ?? [])]), (socket) => socket.destroy())],
    [1, () => hosts.advance(CONNECT_TIMEOUT_MS)],
    [1, () => hosts.sweep()],
    [
      0.3,
      () => {
        lowered = !lowered;
        hosts.breaker.setLimits(lowered ? { ...limits, maxConnections: 1 } : limits);
      },
    ],
    [10, () => new Promise((resolve) => setImmediate(resolve))],
  ];
  const total = steps.reduce((sum, [weight]) => sum + weight, 0);
  const problems: string[] = [];
  for (let i = 0; i < 400 && problems.length === 0; i++) {
    let at = random() * total;
    await (steps.find(([weight]) => (at -= weight) < 0) ?? steps[0] as (typeof steps)[number])[1]();
    problems.push(...irregularities(hosts, lowered ? 1 : maxConnections, maxConnections + hosts.pools.length - 1).map((problem) => `step ${i}: ${problem}`));
  }
  t.strictSame(problems, [], `seed ${seed}`);
  if (random() < 0.5) hosts.pools.forEach((pool) => pool.drain());
  await settle(hosts);
  hosts.pools.forEach((pool) => pool.destroy());
  t.strictSame(irregularities(hosts, maxConnections, Infinity), [], `seed ${seed}: the end`);
  t.strictSame([hosts.breaker.connections, hosts.breaker.pending, hosts.stats.upstreamCxActive, hosts.stats.upstreamRqPendingActive], [0, 0, 0, 0], `seed ${seed}: nothing is left`);
  t.equal(hosts.waiting.length, 0, `seed ${seed}: everybody was served or told`);
}

function withOne<T>(one: T | undefined, act: (one: T) => unknown): void {
  if (one !== undefined) act(one);
}

function giveUp(request: Request): void {
  request.ended = true;
  request.pool.giveUp(request);
}

function cancel(request: Request): void {
  request.ended = true;
  request.connection?.resetStream();
}

/** Answers what is busy until nothing is. */
async function settle(hosts: Hosts): Promise<void> {
  await eventually(() => {
    for (const request of hosts.busy) hosts.answer(request);
    hosts.advance(1);
    return hosts.busy.length === 0 && hosts.waiting.length === 0;
  }, 'every request to be served');
}

/** What of the books is wrong; `limit` is the one that holds now, `most` what there may ever be. */
function irregularities({ breaker, pools, stats, requests, waiting }: Hosts, limit: number, most: number): string[] {
  const found: string[] = [];
  const check = (right: boolean, what: string): void => void (right || found.push(what));
  const connections = pools.reduce((sum, pool) => sum + pool.connections, 0);
  const queued = pools.reduce((sum, pool) => sum + pool.waiting, 0);
  check(breaker.connections === connections, `${breaker.connections} permits for ${connections} connections`);
  check(breaker.pending === queued, `${breaker.pending} permits for ${queued} waiting`);
  check(queued <= 8, `${queued} wait`);
  check(stats.upstreamRqPendingActive === queued, `the gauge says ${stats.upstreamRqPendingActive} of ${queued} waiting`);
  check(stats.upstreamCxActive === connections, `the gauge says ${stats.upstreamCxActive} of ${connections} connections`);
  check(connections <= most, `${connections} connections`);
  for (const [i, pool] of pools.entries()) {
    check(pool.waiting === 0 || pool.connections > 0, `host ${i}: ${pool.waiting} wait for nothing`);
    const busy = [...requests].filter((request) => request.pool === pool && request.busy).length;
    const coming = pool.connections - busy;
    check(pool.waiting <= coming || breaker.connections >= limit, `host ${i}: ${pool.waiting} wait, ${coming} come, and there is room`);
  }
  for (const request of requests) check(request.given <= 1, 'a request was told twice');
  check(waiting.length === queued, `${waiting.length} requests believe that they wait, ${queued} do`);
  return found;
}
