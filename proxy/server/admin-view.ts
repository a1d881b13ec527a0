/** The running proxy as the admin server sees it: one object over the runtime, the reloader and the process. */

import type { RuntimeConfig } from '../../config/runtime/runtime-config.ts';
import type { AdminView, ClusterView, ConfigStatus, ListenerView } from '../admin/view.ts';
import type { Clock } from '../base/clock.ts';
import type { SecretsView } from '../identity/secrets.ts';

/** Live state that the admin pages list. */
export interface LiveViews {
  config(): RuntimeConfig;
  clusters(): Iterable<ClusterView>;
  listeners(): Iterable<ListenerView>;
  secrets(): SecretsView;
  refresh(): Promise<void>;
}

export interface Reloads {
  status(): ConfigStatus;
  reload(cause: string): Promise<ConfigStatus>;
}

export interface LogLevels {
  level(): string;
  /** False for a level that is none. */
  setLevel(level: string): boolean;
}

/** What an admin request may set off. */
export interface AdminActions {
  drainListeners(): void;
  quit(): void;
  resetCounters(): void;
}

export interface ServerViewDeps {
  readonly clock: Clock;
  readonly live: LiveViews;
  readonly reloads: Reloads;
  readonly levels: LogLevels;
  readonly actions: AdminActions;
  readonly options: Readonly<Record<string, unknown>>;
}

/**
 * States as Envoy names them: PRE_INITIALIZING until every listener is bound, DRAINING from the first drain on and
 * while an operator has failed the health check (`/healthcheck/fail`).
 */
export class ServerView implements AdminView {
  readonly #deps: ServerViewDeps;
  readonly #startedAt: number;
  #phase: 'starting' | 'serving' | 'draining' = 'starting';
  #healthy = true;

  constructor(deps: ServerViewDeps) {
    this.#deps = deps;
    this.#startedAt = deps.clock.now();
  }

  serving(): void {
    if (this.#phase === 'starting') this.#phase = 'serving';
  }

  /** For good: there is no way back from a drain. */
  draining(): void {
    this.#phase = 'draining';
  }

  refresh(): Promise<void> {
    return this.#deps.live.refresh();
  }

  state(): 'PRE_INITIALIZING' | 'LIVE' | 'DRAINING' {
    if (this.#phase === 'starting') return 'PRE_INITIALIZING';
    return this.#phase === 'serving' && this.#healthy ? 'LIVE' : 'DRAINING';
  }

  runtimeConfig(): RuntimeConfig {
    return this.#deps.live.config();
  }

  clusters(): Iterable<ClusterView> {
    return this.#deps.live.clusters();
  }

  listeners(): Iterable<ListenerView> {
    return this.#deps.live.listeners();
  }

  secrets(): SecretsView {
    return this.#deps.live.secrets();
  }

  configStatus(): ConfigStatus {
    return this.#deps.reloads.status();
  }

  uptimeMs(): number {
    return this.#deps.clock.now() - this.#startedAt;
  }

  options(): Readonly<Record<string, unknown>> {
    return this.#deps.options;
  }

  reload(): Promise<ConfigStatus> {
    return this.#deps.reloads.reload('POST /reload');
  }

  drainListeners(): void {
    this.draining();
    this.#deps.actions.drainListeners();
  }

  quit(): void {
    this.#deps.actions.quit();
  }

  setHealthy(healthy: boolean): void {
    this.#healthy = healthy;
  }

  logLevel(): string {
    return this.#deps.levels.level();
  }

  setLogLevel(level: string): boolean {
    return this.#deps.levels.setLevel(level);
  }

  resetCounters(): void {
    this.#deps.actions.resetCounters();
  }
}
