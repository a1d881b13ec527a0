/** `outrider run`: options to a running proxy, its end to an exit code. */

import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { renderProblem } from '../../config/runtime/problem.ts';
import { systemClock } from '../base/clock.ts';
import type { DataPlane, DataPlaneDeps } from '../server/data-plane.ts';
import { Lifecycle } from '../server/lifecycle.ts';
import { startLoading } from '../server/loading.ts';
import { hasIPv6 } from '../server/own-addresses.ts';
import type { Server } from '../server/server.ts';
import { onSignals } from '../server/signals.ts';
import { WORKER_VARIABLE } from '../server/worker-messages.ts';
import type { CommandContext, ExitCode } from './command.ts';
import { isUsageError, parseRunOptions, type Bootstrap } from './options.ts';

/** Resolves when the proxy has ended after SIGTERM, SIGINT or an admin request (0), or could not start (1). */
export async function runProxy(argv: readonly string[], context: CommandContext): Promise<ExitCode> {
  if (context.env[WORKER_VARIABLE] !== undefined && process.send !== undefined) return (await import('../server/worker.ts')).runWorker();
  const bootstrap = parseRunOptions(argv, context.env, readText, hasIPv6());
  if (isUsageError(bootstrap)) {
    context.stderr(`outrider run: ${bootstrap.message}\n(outrider run --help lists the options)\n`);
    return 2;
  }
  const lifecycle = new Lifecycle();
  const release = holdProcess();
  const starting = startServer(bootstrap, lifecycle, context);
  onSignals({
    drain: (signal) => lifecycle.drain(signal),
    stop: (signal) => lifecycle.stop(signal),
    reload: () => lifecycle.reload('SIGHUP'),
    reopenLogs: () => void starting.then((server) => server?.reopenLogs()),
  });
  const code = await untilEnd(starting, lifecycle);
  release();
  return code;
}

async function untilEnd(starting: Promise<Server | undefined>, lifecycle: Lifecycle): Promise<ExitCode> {
  const server = await Promise.race([starting, lifecycle.draining]);
  if (server === undefined) return 1;
  // Asked to end before it served: there is nothing to drain.
  if (typeof server === 'string') return 0;
  await server.drain(await lifecycle.draining);
  await server.close();
  return 0;
}

/** Undefined when the snapshot is refused or a port cannot be had; standard error then says why. */
async function startServer(bootstrap: Bootstrap, lifecycle: Lifecycle, context: CommandContext): Promise<Server | undefined> {
  const loading = startLoading(bootstrap, {
    onChange: () => lifecycle.reload('files changed'),
    onUnwatchable: (directory, reason) => context.stderr(`outrider run: cannot watch ${directory} (${reason}), changes are found by looking every few seconds\n`),
  });
  const [{ Server }, createDataPlane, { createProcessLog }, loaded] = await Promise.all([
    import('../server/server.ts'),
    dataPlaneFor(bootstrap.concurrency === 0 ? availableParallelism() : bootstrap.concurrency),
    import('../telemetry/logger.ts'),
    loading,
  ]);
  const { outcome } = loaded;
  if (outcome.kind === 'rejected') {
    for (const problem of outcome.problems) if (problem.severity === 'error') context.stderr(`${renderProblem(problem)}\n`);
    return undefined;
  }
  const processLog = createProcessLog({ level: bootstrap.logLevel, clock: systemClock });
  const dataPlane = createDataPlane({ config: outcome.config, processLog, accessLog: bootstrap.accessLog, certs: bootstrap.certs, interception: bootstrap.interception, drainTimeMs: bootstrap.drainTimeMs });
  const server = new Server({ bootstrap, loading: loaded, problems: outcome.problems, dataPlane, processLog, lifecycle, context });
  try {
    await server.start();
    return server;
  } catch (error) {
    context.stderr(`outrider run: ${startFailure(error)}\n`);
    return undefined;
  }
}

/** The modules of the one that is asked for only: a supervisor carries no traffic. */
async function dataPlaneFor(workers: number): Promise<(deps: DataPlaneDeps) => DataPlane> {
  if (workers > 1) {
    const { WorkerGroup } = await import('../server/worker-group.ts');
    return (deps) => new WorkerGroup(deps, workers);
  }
  const { LocalDataPlane } = await import('../server/local-data-plane.ts');
  return (deps) => new LocalDataPlane(deps);
}

/** A port or file that cannot be had needs no stack; anything else is a bug and needs it. */
function startFailure(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'code' in error || error.constructor === Error ? error.message : (error.stack ?? error.message);
}

/** A proxy whose ports are all off has nothing else that keeps it running, and still waits for a reload or a signal. */
function holdProcess(): () => void {
  const timer = setInterval(() => {}, 2_147_483_647);
  return () => clearInterval(timer);
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
