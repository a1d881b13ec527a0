/** Every scenario, in the order of the report. */

import type { Scenario } from '../types.ts';
import { http1Close, http1Get, http1Large, http1Log, http1Upload, httpsClose, httpsGet, httpsResume, mtlsHop, policies, services } from './closed-loop.ts';
import { latency } from './latency.ts';
import { reload } from './reload.ts';
import { startUp } from './start-up.ts';
import { tcpPass } from './tcp-pass.ts';

export const scenarios: readonly Scenario[] = [
  ...[http1Get, http1Log, policies, http1Large, http1Upload, http1Close],
  ...[httpsGet, httpsClose, httpsResume, mtlsHop, tcpPass],
  ...[latency, startUp, services, reload],
];
