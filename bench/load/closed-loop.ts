/**
 * Closed-loop load process: each connection sends its next request when the last was answered. For peak rate and for CPU
 * per request where wrk is missing; never for latency. Usage: node closed-loop.js '<LoadJob>'; prints a ClosedLoopResult.
 */

import { Client } from './client.ts';
import { requestBytes, type ClosedLoopResult, type LoadJob } from './job.ts';

const job = JSON.parse(process.argv[2] ?? '{}') as LoadJob;
const bytes = requestBytes(job.request);

let requests = 0;
let errors = 0;
const start = performance.now();
const clients = Array.from({ length: job.connections }, () => new Client({ port: job.port, tls: job.tls, onAnswer }));
for (const client of clients) send(client);
setTimeout(report, job.durationMs);

function onAnswer(client: Client, answer: { readonly ok: boolean }): void {
  requests += 1;
  if (!answer.ok) errors += 1;
  // A refused connection must not become a busy loop.
  if (answer.ok) send(client);
  else setTimeout(() => send(client), 5);
}

function send(client: Client): void {
  client.send(bytes[requests % bytes.length] as Buffer);
}

function report(): void {
  const result: ClosedLoopResult = { requests, seconds: (performance.now() - start) / 1000, errors };
  process.stdout.write(JSON.stringify(result), () => process.exit(0));
}
