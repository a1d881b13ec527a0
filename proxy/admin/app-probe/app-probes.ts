/** Answers a rewritten probe by asking the application, as pilot-agent does. */

import type { IncomingMessage } from 'node:http';
import { textAnswer, type AdminAnswer } from '../page.ts';
import { probeGrpc } from './grpc-probe.ts';
import { probeHttp } from './http-probe.ts';
import { probeTarget, type ProbeOutcome } from './outcome.ts';
import type { AppProbe, AppProbes } from './probes.ts';
import { probeTcp } from './tcp-probe.ts';

export interface AppProbeDeps {
  readonly probes: AppProbes;
  /** Of the pod, where the application listens; empty means loopback. */
  readonly address: () => string;
  /** Told why a probe failed, unless the application said so itself. */
  readonly report: (sentence: string) => void;
}

/** Whether a path belongs to the application's probes. */
export function isAppProbe(path: string): boolean {
  return path.startsWith('/app-health/') || path.startsWith('/app-lifecycle/');
}

/** `path` without its query. */
export async function answerAppProbe(path: string, request: IncomingMessage, { probes, address, report }: AppProbeDeps): Promise<AdminAnswer> {
  const probe = Object.hasOwn(probes, path) ? probes[path] : undefined;
  // pilot-agent's words, grammar included.
  if (probe === undefined) return textAnswer(`app prober config does not exists for ${path}`, 400);
  const { status, body, problem } = await ask(probe, address(), request);
  if (problem !== undefined) report(`${path}: ${problem}`);
  return textAnswer(body, status);
}

function ask(probe: AppProbe, address: string, request: IncomingMessage): Promise<ProbeOutcome> {
  const target = probeTarget(address, probe.port);
  switch (probe.kind) {
    case 'httpGet':
      return probeHttp(target, probe, request.headers, request.socket.localPort ?? 0);
    case 'tcpSocket':
      return probeTcp(target, probe);
    case 'grpc':
      return probeGrpc(target, probe, request.headers['user-agent'] ?? 'outrider');
  }
}
