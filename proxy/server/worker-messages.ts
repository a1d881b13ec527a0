/** What supervisor and worker processes say to each other over the cluster module's channel (structured clone, not JSON). */

import type { RuntimeDelta } from '../../config/runtime/delta.ts';
import type { RuntimeConfig } from '../../config/runtime/runtime-config.ts';
import type { Bootstrap, LogLevel } from '../cli/options.ts';
import type { InterceptionMode } from '../listener/interception.ts';
import type { WorkerReport } from './worker-report.ts';

/** Set in a worker's environment: run serves what its supervisor says. */
export const WORKER_VARIABLE = 'OUTRIDER_WORKER';

/** Supervisor to worker. */
export type WorkerOrder =
  | {
      readonly kind: 'start';
      readonly config: RuntimeConfig;
      readonly accessLog: Bootstrap['accessLog'];
      readonly certs: string | undefined;
      /** From which the keys of session tickets are made. */
      readonly ticketSeed: Uint8Array;
      readonly interception?: InterceptionMode | undefined;
      readonly drainTimeMs?: number | undefined;
      readonly logLevel: LogLevel;
      readonly adminPort: number | undefined;
    }
  | { readonly kind: 'apply'; readonly delta: RuntimeDelta }
  | { readonly kind: 'report' }
  | { readonly kind: 'drain'; readonly deadlineMs: number }
  | { readonly kind: 'announce-drain'; readonly closeIdle: boolean }
  | { readonly kind: 'drain-listeners' | 'reset-counters' | 'reopen-logs' }
  | { readonly kind: 'log-level'; readonly level: LogLevel };

/** Worker to supervisor: that it listens, then one answer to each `start`, `apply` and `report`, in order. */
export type WorkerAnswer =
  | { readonly kind: 'online' }
  | { readonly kind: 'done'; readonly report: WorkerReport }
  | { readonly kind: 'refused'; readonly message: string };
