/** Starts load processes on the load core. */

import { fileURLToPath } from 'node:url';
import { loadCore } from '../config.ts';
import { runProgram } from '../measure/process.ts';
import type { BulkJob, BulkResult, ClosedLoopResult, LoadJob, OpenLoopJob, OpenLoopResult } from './job.ts';
import { runWrk, wrk } from './wrk.ts';

/** Closed loop: wrk where there is one and where it can do it (it resumes every TLS session), else our own generator (dearer, so the rate may then be the generator's). */
export async function closedLoop(job: LoadJob, folder: string): Promise<ClosedLoopResult> {
  if (wrk !== undefined && job.tls !== 'full') return runWrk(wrk, job, folder);
  return (await runNode('closed-loop.js', job)) as ClosedLoopResult;
}

export async function openLoop(job: OpenLoopJob): Promise<OpenLoopResult> {
  return (await runNode('open-loop.js', job)) as OpenLoopResult;
}

export async function bulk(job: BulkJob): Promise<BulkResult> {
  return (await runNode('bulk.js', job)) as BulkResult;
}

/** Name of the closed-loop generator, for the report. */
export const closedLoopTool = wrk === undefined ? 'own closed-loop generator (wrk not found)' : 'wrk';

async function runNode(file: string, job: LoadJob | BulkJob): Promise<unknown> {
  const script = fileURLToPath(new URL(`./${file}`, import.meta.url));
  return JSON.parse(await runProgram(loadCore, process.execPath, [script, JSON.stringify(job)]));
}
