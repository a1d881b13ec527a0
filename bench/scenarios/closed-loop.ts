/** The closed-loop scenarios: CPU per request and peak rate, for each shape of HTTP/1 traffic. */

import { benchHost, benchPort, connections, hashHeader, hashValues, uploadBytes, uploadConnections } from '../config.ts';
import { closedLoop } from '../load/run.ts';
import type { LoadJob, LoadRequest } from '../load/job.ts';
import { cpuMicros } from '../measure/usage.ts';
import type { Peer, Sample, Scenario, ScenarioContext, Work } from '../types.ts';
import { runRounds, type StartedPeer } from './started-peers.ts';

interface Shape {
  readonly name: string;
  readonly title: string;
  readonly work: Work;
  readonly tls?: NonNullable<LoadJob['tls']>;
  readonly request: LoadRequest;
  readonly connections: number;
  /** Fewest requests of the warm-up, however long they take. A code path compiles itself by how often it ran, not by the clock. */
  readonly warmUpRequests?: number;
  readonly accessLog: boolean;
  readonly admits: (peer: Peer) => boolean;
  readonly bases?: readonly string[];
}

/** So that a slow machine ends its warm-up too. */
const mostWarmUps = 10;

/** After so many handshakes the cost of one no longer falls. */
const warmUpHandshakes = 4000;

const get: LoadRequest = { method: 'GET', path: '/', host: `${benchHost}:${benchPort}`, bodyBytes: 0, close: false };
const plain = { work: 'http', request: get, connections, accessLog: false, admits: isPlain } as const;

export const http1Get = closedLoopScenario({ ...plain, name: 'http1-get', title: 'HTTP/1, 1 KB answers, keep-alive, 64 connections' });

export const http1Log = closedLoopScenario({
  ...plain,
  name: 'http1-log',
  title: "The same with the access log written to a file (Istio's format)",
  accessLog: true,
  admits: (peer) => peer.accessLog && isPlain(peer),
});

export const http1Large = closedLoopScenario({
  ...plain,
  name: 'http1-large',
  title: 'HTTP/1, 100 KB answers, keep-alive, 64 connections',
  request: { ...get, path: '/large' },
});

export const http1Upload = closedLoopScenario({
  ...plain,
  name: 'http1-upload',
  title: 'HTTP/1, 1 MB uploads, keep-alive, 16 connections',
  request: { ...get, method: 'POST', path: '/upload', bodyBytes: uploadBytes },
  connections: uploadConnections,
});

export const http1Close = closedLoopScenario({
  ...plain,
  name: 'http1-close',
  title: 'HTTP/1, a new connection per request, 1 KB answers, 64 at a time',
  request: { ...get, close: true },
});

export const httpsGet = closedLoopScenario({
  ...plain,
  name: 'https-get',
  title: 'HTTPS gateway: TLS 1.3 down, HTTP/1 up, 1 KB answers, keep-alive, 64 connections (ECDSA P-256)',
  work: 'https',
  tls: 'resumed',
});

export const httpsClose = closedLoopScenario({
  ...plain,
  name: 'https-close',
  title: 'HTTPS gateway, a new TLS connection per request with a full handshake, 64 at a time (requests/s are connections/s)',
  work: 'https',
  tls: 'full',
  request: { ...get, close: true },
  warmUpRequests: warmUpHandshakes,
});

export const httpsResume = closedLoopScenario({
  ...plain,
  name: 'https-resume',
  title: "HTTPS gateway, a new TLS connection per request with the last one's ticket, 64 at a time (requests/s are connections/s)",
  work: 'https',
  tls: 'resumed',
  request: { ...get, close: true },
  warmUpRequests: warmUpHandshakes,
});

export const mtlsHop = closedLoopScenario({
  ...plain,
  name: 'mtls-hop',
  title: 'Two proxies in a row, mutual TLS 1.3 between them, HTTP/1, 1 KB answers, keep-alive, 64 connections; CPU of both',
  work: 'mtls-hop',
});

export const services = closedLoopScenario({
  ...plain,
  name: 'services-10k',
  title: 'HTTP/1, 1 KB answers: 10,000 services in the snapshot beside the bookinfo snapshot',
  admits: (peer) => peer.name === 'outrider' || peer.name === 'outrider-10k',
});

export const policies = closedLoopScenario({
  ...plain,
  name: 'policies',
  title: 'HTTP/1, 1 KB answers from three hosts: what each policy costs while nothing sets it off (mirror: a copy of every request; consistent hash: 64 keys)',
  request: { ...get, varied: { header: hashHeader, values: hashValues } },
  admits: (peer) => peer.policy !== undefined,
  bases: ['envoy-plain', 'outrider-plain'],
});

function closedLoopScenario(shape: Shape): Scenario {
  const { name, title, work, bases } = shape;
  const admits = (peer: Peer): boolean => peer.works.includes(work) && shape.admits(peer);
  return { name, title, work, admits, ...(bases === undefined ? {} : { bases }), run: (context) => runShape(shape, context) };
}

function runShape(shape: Shape, context: ScenarioContext): Promise<Sample[]> {
  return runRounds(shape.name, context, {
    work: shape.work,
    accessLog: shape.accessLog,
    warmUp: (peer) => warmUp(shape, peer, context.timing.warmUpMs),
    round: (peer) => measure(shape, peer, context.timing.measureMs),
  });
}

async function warmUp(shape: Shape, peer: StartedPeer, durationMs: number): Promise<void> {
  const until = shape.warmUpRequests ?? 1;
  for (let requests = 0, tries = 0; requests < until && tries < mostWarmUps; tries += 1) {
    const rate = (await measure(shape, peer, durationMs)).find(({ metric }) => metric === 'requestsPerSecond')?.value ?? 0;
    requests += (rate * durationMs) / 1000;
  }
}

async function measure(shape: Shape, peer: StartedPeer, durationMs: number): Promise<Sample[]> {
  const before = cpuMicros(peer.pids);
  const job = { port: peer.port, connections: shape.connections, durationMs, request: shape.request, ...(shape.tls === undefined ? {} : { tls: shape.tls }) };
  const result = await closedLoop(job, peer.folder);
  const spent = cpuMicros(peer.pids) - before;
  if (result.requests === 0 || result.errors > result.requests / 1000) {
    throw new Error(`${result.errors} errors in ${result.requests} requests`);
  }
  const rate: Sample = { peer: peer.name, metric: 'requestsPerSecond', value: result.requests / result.seconds };
  if (peer.pids.length === 0) return [rate];
  return [{ peer: peer.name, metric: 'cpuUsPerRequest', value: spent / result.requests }, rate];
}

function isPlain(peer: Peer): boolean {
  return peer.name !== 'outrider-10k' && peer.policy === undefined;
}
