/** Plays one case against a running proxy and observes everything that can be observed from outside. */

import type { Case, ClientStep } from '../case.ts';
import { parseAnswers, type Answer } from './answers.ts';
import { outcomes, type Proxy } from './outcomes.ts';
import { RawClient } from './client.ts';
import type { Recorded, ScriptedUpstream } from './upstream.ts';

export interface Observed {
  readonly answers: readonly Answer[];
  readonly closed: boolean;
  /** The further request on the same connection was served, with its own answer. */
  readonly goesOn: boolean;
  readonly upstream: readonly Recorded[];
  /** The request sent afterwards on a new connection got its own answer: no answer queue was poisoned. */
  readonly sentinel: boolean;
  /** The case's connection in the access log: the client's port, and when it was used (ms since the epoch). */
  readonly clientPort: number;
  readonly fromMs: number;
  readonly toMs: number;
}

/** Longest wait for what a case expects: a deadline for a proxy that does not do it, never a pause. */
const patienceMs = 4000;

/** How long a row that expects nothing to happen is watched. */
const waitingMs = 250;

/** A good request that follows on the same connection; it must be answered, or never be looked at. */
const followUp = 'GET /after HTTP/1.1\r\nHost: app.test\r\n\r\n';

export async function play(proxy: Proxy, port: number, upstream: ScriptedUpstream, each: Case): Promise<Observed> {
  await upstream.begin(each.upstream ?? []);
  const fromMs = Date.now();
  const client = new RawClient(port);
  const clientPort = await client.localPort;
  const parsed = (): Answer[] => parseAnswers(client.received, client.ended, each.head === true);
  const asides: RawClient[] = [];
  const gone = await send({ client, upstream, asides, port, answers: () => parsed().length }, each);
  if (!gone) client.write(followUp);
  const answered = (): boolean => parsed().some((answer) => answer.body === 'GET /after');
  const waits = outcomes(each, proxy).every((expected) => expected.closes === 'waits');
  await client.until(() => client.ended || answered(), gone ? 0 : waits ? waitingMs : patienceMs);
  // What a case forbids the upstream to see has had its chance once a later request has come through.
  const sentinel = await sendSentinel(port);
  const answers = parsed();
  const observed = {
    answers: answers.filter((answer) => answer.body !== 'GET /after'),
    closed: client.ended,
    goesOn: answered(),
    upstream: upstream.recorded,
    sentinel,
    clientPort,
    fromMs,
    toMs: Date.now(),
  };
  client.destroy();
  // The last first, so that none of them gets the place of another that has just gone.
  for (const aside of asides.toReversed()) aside.destroy();
  return observed;
}

interface Scene {
  readonly client: RawClient;
  readonly upstream: ScriptedUpstream;
  readonly asides: RawClient[];
  readonly port: number;
  answers(): number;
}

/** True when the client itself ended the connection. */
async function send(scene: Scene, each: Case): Promise<boolean> {
  const { client } = scene;
  const steps: readonly ClientStep[] = typeof each.send === 'string' ? [each.send] : each.send;
  for (const step of steps) {
    if (typeof step === 'string') client.write(step);
    else if ('repeat' in step) client.write(step.repeat.repeat(step.times));
    else if ('waitMs' in step) await new Promise((resolve) => setTimeout(resolve, step.waitMs));
    else if ('until' in step) await awaitStep(scene, step);
    else if ('aside' in step) scene.asides.push(await aside(scene.port, step.aside));
    else {
      if ('reset' in step) client.reset();
      else client.end();
      if ('end' in step) await client.until(() => client.ended, patienceMs);
      return true;
    }
  }
  return false;
}

async function awaitStep(scene: Scene, step: Extract<ClientStep, { until: string }>): Promise<void> {
  const { client, upstream } = scene;
  if (step.until === 'answer') {
    await client.until(() => client.ended || scene.answers() >= (step.answers ?? 1), patienceMs);
    return;
  }
  const wanted = step.until === 'upstream' ? (step.requests ?? 1) : 0;
  const seen = (): boolean => (step.until === 'upstream' ? upstream.begun >= wanted : upstream.recorded[0]?.ended === true);
  await Promise.race([upstream.until(seen), client.until(() => client.ended, patienceMs)]);
}

/** The connection has been in use before the request is sent, so that the proxy reads it before whatever is sent later. */
async function aside(port: number, bytes: string): Promise<RawClient> {
  const client = new RawClient(port);
  client.write(followUp);
  await client.until(() => client.ended || client.received.endsWith('GET /after'), patienceMs);
  client.write(bytes);
  return client;
}

let sentinels = 0;

async function sendSentinel(port: number): Promise<boolean> {
  sentinels += 1;
  const target = `/sentinel-${sentinels}`;
  const client = new RawClient(port);
  client.write(`GET ${target} HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n`);
  const answered = await client.until(() => client.received.endsWith(`GET ${target}`) || client.ended, patienceMs);
  client.destroy();
  return answered && client.received.endsWith(`GET ${target}`);
}
