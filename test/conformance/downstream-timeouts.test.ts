/**
 * What a client gets that is slow or says nothing, byte for byte: Outrider's own limits in virtual time on real sockets,
 * and (OUTRIDER_ORACLE=1) the same rows on the real Envoy, whose limits are short instead.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { TestClock } from '../support/clock.ts';
import { startDataPath } from '../support/data-path.ts';
import { eventually } from '../support/scope.ts';
import { parseAnswers } from './play/answers.ts';
import { RawClient } from './play/client.ts';
import { cluster, startEnvoy, virtualHost } from './targets/envoy.ts';

type Limit = 'head' | 'idle';
/** Bytes, or the time that a limit allows and a bit. */
type Step = string | { readonly pass: Limit } | { readonly answers: number } | { readonly release: true };

interface Row {
  readonly name: string;
  readonly steps: readonly Step[];
  /** Status and body of each answer. */
  readonly answers: readonly (readonly [status: number, body: string])[];
  /** The proxy ends the connection. */
  readonly closes: boolean;
}

/** A proxy whose limits pass when asked to. */
interface Subject {
  readonly port: number;
  readonly pass: (limit: Limit, client: RawClient) => Promise<void>;
}

const whole = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: app.test\r\n\r\n`;
const tooSlow = [408, 'request header timeout'] as const;

const rows: readonly Row[] = [
  { name: 'a head that stops in its middle', steps: ['GET / HTTP/1.1\r\nHost: app.test\r\n', { pass: 'head' }], answers: [tooSlow], closes: true },
  { name: 'one byte of a head', steps: ['G', { pass: 'head' }], answers: [tooSlow], closes: true },
  { name: 'a second head that stops', steps: [whole('/1'), { answers: 1 }, 'GET /2 HTTP/1.1\r\n', { pass: 'head' }], answers: [[200, '/1'], tooSlow], closes: true },
  { name: 'no byte at all is no slow head', steps: [{ pass: 'head' }, whole('/late')], answers: [[200, '/late']], closes: false },
  { name: 'a pause between two requests is no slow head', steps: [whole('/1'), { answers: 1 }, { pass: 'head' }, whole('/2')], answers: [[200, '/1'], [200, '/2']], closes: false },
  { name: 'a body that stops is no slow head', steps: ['POST /body HTTP/1.1\r\nHost: app.test\r\nContent-Length: 5\r\n\r\nhe', { pass: 'head' }, 'llo'], answers: [[200, '/body']], closes: false },
  { name: 'nothing for so long that the connection is idle', steps: [{ pass: 'idle' }], answers: [], closes: true },
  { name: 'nothing after an answer for so long', steps: [whole('/1'), { answers: 1 }, { pass: 'idle' }], answers: [[200, '/1']], closes: true },
  { name: 'a connection whose answer is waited for is not idle', steps: [whole('/hold'), { pass: 'idle' }, { release: true }], answers: [[200, '/hold']], closes: false },
];

const PATIENCE_MS = 10_000;

/** Answers with the path; holds back the answer to `/hold` until it is told to. */
async function startUpstream(t: Test): Promise<{ readonly port: number; readonly release: () => Promise<void> }> {
  const held: ServerResponse[] = [];
  const server: Server = createServer((request, response) => {
    request.resume().on('end', () => (request.url === '/hold' ? held.push(response) : response.end(request.url)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const release = async (): Promise<void> => {
    await eventually(() => held.length > 0, 'the request that is held back');
    for (const response of held.splice(0)) response.end('/hold');
  };
  return { port: (server.address() as AddressInfo).port, release };
}

async function play(t: Test, subject: Subject, release: () => Promise<void>, row: Row): Promise<void> {
  const client = new RawClient(subject.port);
  await client.localPort;
  const answers = () => parseAnswers(client.received, client.ended, false);
  for (const step of row.steps) {
    if (typeof step === 'string') client.write(step);
    else if ('answers' in step) await client.until(() => answers().length >= step.answers, PATIENCE_MS);
    else if ('release' in step) await release();
    else await subject.pass(step.pass, client);
  }
  await client.until(() => (row.closes ? client.ended : answers().length >= row.answers.length), PATIENCE_MS);
  const found = { answers: answers().map(({ status, body }) => [status, body]), closes: client.ended };
  t.strictSame(found, { answers: row.answers, closes: row.closes }, row.name);
  const refused = answers().find(({ status }) => status === 408);
  if (refused !== undefined) {
    const names = refused.lines.map((line) => (/^(?:date|server):/i.test(line) ? line.slice(0, line.indexOf(':')) : line).toLowerCase());
    t.strictSame(names.toSorted(), ['connection: close', 'content-length: 22', 'content-type: text/plain', 'date', 'server'], `${row.name}: the whole head`);
  }
  client.destroy();
}

await t.test('Outrider', async (t) => {
  const upstream = await startUpstream(t);
  const clock = new TestClock();
  const proxy = await startDataPath(t, { upstreamPort: upstream.port, clock });
  const limits = { head: 16_000, idle: 3_660_000 };
  for (const row of rows) {
    const pass: Subject['pass'] = async (limit, client) => {
      // What was sent has been read once a later connection has its answer.
      const later = new RawClient(proxy.port);
      later.write(whole('/later'));
      t.ok(await later.until(() => later.received.endsWith('/later'), PATIENCE_MS));
      later.destroy();
      for (let passed = 0; passed < limits[limit] && !client.ended; passed += 1000) clock.advance(1000);
    };
    await play(t, { port: proxy.port, pass }, upstream.release, row);
  }
});

if (process.env['OUTRIDER_ORACLE'] === '1') await t.test('the real Envoy', async (t) => {
  const upstream = await startUpstream(t);
  const folder = mkdtempSync(join(tmpdir(), 'outrider-oracle-'));
  const ports = { upstream: upstream.port, second: 0, refused: 0, hanging: 0 };
  const start = async (manager: Readonly<Record<string, unknown>>) => {
    const routes = [{ match: { prefix: '/' }, route: { cluster: 'app', timeout: '0s' } }];
    const target = await startEnvoy(folder, ports, { virtualHosts: [virtualHost('app.test', routes)], clusters: [cluster('app', [upstream.port])], manager });
    t.teardown(() => target.stop());
    return target.port;
  };
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const port = { head: await start({ request_headers_timeout: '0.3s' }), idle: await start({ common_http_protocol_options: { idle_timeout: '0.3s' } }) };
  for (const row of rows) {
    const limit = row.steps.some((step) => typeof step === 'object' && 'pass' in step && step.pass === 'idle') ? 'idle' : 'head';
    const pass: Subject['pass'] = async (_limit, client) => void (await client.until(() => client.ended, 900));
    await play(t, { port: port[limit], pass }, upstream.release, row);
  }
});
