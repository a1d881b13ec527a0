/**
 * Mixed load while the snapshot changes every second, upstreams are killed and restarted, and clients go away: every
 * request ends in exactly one answer, cut or log line, no error of our making, gauges return to zero, memory stays flat.
 * `SOAK_SECONDS=600` for the long run; 20 seconds by default.
 */

import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { seededRandom } from '../../proxy/base/random.ts';
import { busyGauges, logById, unaccounted, watchMemory } from '../support/accounting.ts';
import { mixedLoad } from '../support/mixed-load.ts';
import { Proxy } from '../support/proxy.ts';
import { destinationRule, renderResources, service, to, virtualService } from '../support/resources.ts';
import { eventually } from '../support/scope.ts';

const SECONDS = Number(process.env['SOAK_SECONDS'] ?? 20);
const PER_SECOND = 500;

t.setTimeout((SECONDS + 90) * 1000);

/** A server that can be killed and comes back on the same port. */
class Backend {
  #server: Server | undefined;
  readonly #sockets = new Set<Socket>();
  port = 0;

  async start(): Promise<void> {
    const server = createServer({ keepAliveTimeout: 2000 }, (request, response) => {
      request.resume();
      request.on('end', () => setTimeout(() => response.end('x'.repeat(500)), request.url === '/slow' ? 200 : 0));
    });
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(this.port, '127.0.0.1', resolve));
    this.port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  async kill(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    for (const socket of this.#sockets) socket.resetAndDestroy();
    await new Promise((resolve) => server?.close(resolve));
  }
}

function snapshot(ports: readonly number[], weight: number): string {
  const versions = ports.map((_, index) => `v${index + 1}`);
  const route = versions.map((version, index) => to('soak', version, index === 0 ? weight : Math.floor((100 - weight) / (versions.length - 1))));
  return renderResources([
    ...service('soak', { port: 80, workloads: ports.map((port, index) => ({ port, version: `v${index + 1}` })) }),
    destinationRule('soak', versions),
    virtualService('soak', { http: [{ route }] }),
  ]);
}

t.test('soak', async (t) => {
  const random = seededRandom(11);
  const backends = [new Backend(), new Backend(), new Backend()];
  for (const backend of backends) await backend.start();
  t.teardown(() => Promise.all(backends.map((backend) => backend.kill())));
  const ports = backends.map(({ port }) => port);
  const log = join(t.testdir(), 'access.log');
  const proxy = await Proxy.start(t, { snapshot: snapshot(ports, 50), args: ['--access-log', log, '--access-log-format', 'json'] });

  let running = true;
  let reloads = 0;
  const reloading = (async () => {
    while (running) {
      await proxy.write(reloads++ % 7 === 3 ? 'apiVersion: networking.istio.io/v1\nkind: VirtualSer' : snapshot(ports, 10 + (reloads % 8) * 10));
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  })();
  const killing = (async () => {
    while (running) {
      await new Promise((resolve) => setTimeout(resolve, 1500));
      const backend = backends[Math.floor(random() * backends.length)] as Backend;
      await backend.kill();
      await new Promise((resolve) => setTimeout(resolve, 300));
      await backend.start();
    }
  })();
  const memory = watchMemory(proxy.child.pid);

  const outcomes = await mixedLoad({ port: proxy.outbound, perSecond: PER_SECOND, seconds: SECONDS, random, patienceMs: 10_000 });
  running = false;
  const { earlyKb, lateKb } = memory.stop();
  await Promise.all([reloading, killing]);

  const count = (test: (outcome: (typeof outcomes)[number]) => boolean): number => outcomes.filter(test).length;
  const summary = { requests: outcomes.length, ok: count(({ end }) => end === 200), failed: count(({ end }) => end === 503), left: count(({ end }) => end === 'left'), reloads };
  t.comment(JSON.stringify(summary));
  t.equal(outcomes.length, PER_SECOND * SECONDS);
  t.equal(count(({ end }) => end === 'hung'), 0, 'nothing hangs');
  t.equal(count(({ end }) => end === 'cut'), 0, 'no answer is cut: the upstreams answer at once or not at all');
  t.strictSame([...new Set(outcomes.map(({ end }) => end))].sort().filter((end) => end !== 200 && end !== 503 && end !== 'left'), [], 'no other status');
  t.ok(summary.ok > outcomes.length * 0.5, `most requests are answered: ${summary.ok}`);

  await eventually(async () => (await busyGauges(proxy)).length === 0, 'gauges to return to zero').catch(async () => t.strictSame(await busyGauges(proxy), []));
  // The log is written at least once a second.
  await eventually(async () => unaccounted(outcomes, await logById(log)).length === 0, 'a line for every request').catch(() => undefined);
  const byId = await logById(log);
  const wrong = unaccounted(outcomes, byId);
  t.strictSame(wrong.slice(0, 3).map((outcome) => ({ outcome, lines: byId.get(outcome.id) })), [], 'every request has exactly one line, with the status its client saw');
  const lines = [...byId.values()].flat();
  const blamed = lines.filter((line) => line['response_code'] === 503 && !/^(URX,UF|UF|UC)$/.test(String(line['response_flags'])));
  t.strictSame(blamed.slice(0, 3), [], 'every 503 is an upstream that was not there');
  t.notMatch(proxy.stderr, /error (bug|filter)|unhandled|uncaught/i);

  t.comment(`memory ${Math.round(earlyKb / 1024)} MB, later ${Math.round(lateKb / 1024)} MB`);
  t.ok(lateKb < earlyKb * 1.25 + 10 * 1024, 'memory is flat');
  t.equal(await proxy.stop(), 0);
});
