/** The servers beside the data path: admin, health and metrics, each on a port of its own or off. */

import type { AppProbeDeps } from '../admin/app-probe/app-probes.ts';
import { createHealthServer } from '../admin/health-server.ts';
import type { BoundServer } from '../admin/http-server.ts';
import { createMetricsServer } from '../admin/metrics-server.ts';
import { createAdminServer } from '../admin/server.ts';
import type { AdminView, TelemetryView } from '../admin/view.ts';
import type { PortChoice, PortPlan } from '../cli/options.ts';
import type { SidePorts } from './ready-file.ts';

export interface SideServerDeps {
  readonly plan: PortPlan;
  /** Of health and metrics, which a kubelet and a scraper reach from outside; admin is on loopback always. */
  readonly bind: string;
  readonly view: AdminView;
  readonly telemetry: TelemetryView;
  /** Absent where injection rewrote no probe of the application. */
  readonly appProbes?: AppProbeDeps | undefined;
}

type Name = keyof SidePorts;

export class SideServers {
  readonly #deps: SideServerDeps;
  readonly #bound: Map<Name, BoundServer> = new Map();

  constructor(deps: SideServerDeps) {
    this.#deps = deps;
  }

  /** Rejects with the option and the port that cannot be had, and then nothing is bound. */
  async start(): Promise<void> {
    const { plan, bind, view, telemetry, appProbes } = this.#deps;
    const results = await Promise.allSettled([
      this.#open('admin', plan.admin, (port) => createAdminServer(view, telemetry, { port })),
      this.#open('health', plan.health, (port) => createHealthServer(view, { address: bind, port }, appProbes)),
      this.#open('metrics', plan.metrics, (port) => createMetricsServer(view, telemetry, { address: bind, port })),
    ]);
    const failed = results.find((result) => result.status === 'rejected');
    if (failed === undefined) return;
    await this.close();
    throw failed.reason;
  }

  ports(): SidePorts {
    const ports: { -readonly [N in Name]?: number } = {};
    for (const name of ['admin', 'health', 'metrics'] as const) {
      const server = this.#bound.get(name);
      if (server !== undefined) ports[name] = server.port;
    }
    return ports;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#bound.values()].map((server) => server.close()));
    this.#bound.clear();
  }

  async #open(name: Name, choice: PortChoice, create: (port: number) => Promise<BoundServer>): Promise<void> {
    if (choice === 'off') return;
    try {
      this.#bound.set(name, await create(choice));
    } catch (error) {
      throw new Error(`--${name}-port: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  }
}
