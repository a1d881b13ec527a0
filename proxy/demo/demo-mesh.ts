/** Brings the demo's mesh up (applications, a proxy for each, the ingress gateway) and down again. */

import { startApp, meshClient } from './apps/app.ts';
import type { App } from './apps/app.ts';
import { ChildProxy } from './child-proxy.ts';
import type { ReadyPorts } from './child-proxy.ts';
import { ADMIN_PORT, GATEWAY_PORT, OUTBOUND_PORT, WORKLOADS } from './mesh.ts';
import type { DemoWorkload } from './mesh.ts';
import type { PortChoices } from './ports.ts';

export interface MeshOptions {
  /** Folder of Istio YAML that every proxy watches. */
  readonly config: string;
  /** Folder for an access log and a process log of each proxy. */
  readonly logs: string;
  readonly ports: PortChoices;
}

export interface RunningProxy {
  readonly name: string;
  readonly ports: ReadyPorts;
}

/** Ports that the example's YAML names: where one is taken the YAML must change. */
export const WRITTEN_PORTS: readonly number[] = WORKLOADS.flatMap(({ inboundPort, appPort }) => [inboundPort, appPort]);

/** Every port the demo would like to have. */
export const WANTED_PORTS: readonly number[] = [
  GATEWAY_PORT,
  ADMIN_PORT,
  ...WRITTEN_PORTS,
  ...WORKLOADS.flatMap((_workload, index) => [ADMIN_PORT + 1 + index, OUTBOUND_PORT + index]),
];

export class DemoMesh {
  readonly #options: MeshOptions;
  readonly #apps: App[] = [];
  readonly #proxies = new Map<string, ChildProxy>();
  readonly #outbound = new Map<string, number>();

  constructor(options: MeshOptions) {
    this.#options = options;
  }

  /** Every proxy with its ports, the gateway first; a message instead when one did not come up. */
  async start(): Promise<readonly RunningProxy[] | string> {
    try {
      for (const workload of WORKLOADS) this.#apps.push(await this.#startApp(workload));
    } catch (error) {
      return `an application could not listen: ${(error as Error).message}`;
    }
    const names = ['istio-ingressgateway', ...WORKLOADS.map(({ name }) => name)];
    const ready = await Promise.all(names.map((name, index) => this.#startProxy(name, index)));
    if (ready.includes(undefined)) return this.failure();
    return names.map((name, index) => ({ name, ports: ready[index] ?? {} }));
  }

  /** Resolves when a proxy ends that was not asked to, with what happened. */
  async failure(): Promise<string> {
    return Promise.race([...this.#proxies].map(async ([name, proxy]) => `the proxy of ${name} ended: ${await proxy.exited}`));
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#proxies.values()].map((proxy) => proxy.stop()));
    for (const app of this.#apps) app.stop();
  }

  async #startApp({ name, appPort, app }: DemoWorkload): Promise<App> {
    const call = meshClient(() => this.#outbound.get(name) ?? 0);
    return startApp(this.#port(appPort), app(name, call));
  }

  async #startProxy(name: string, index: number): Promise<ReadyPorts | undefined> {
    const gateway = index === 0;
    const proxy = new ChildProxy({
      args: [
        `--config=${this.#options.config}`,
        `--access-log=${this.#options.logs}/${name}.access.log`,
        `--admin-port=${this.#port(ADMIN_PORT + index)}`,
        '--bind=127.0.0.1',
        // Else all of them would start that thread anew, at the same moment, at a visitor's first edit.
        '--keep-compiler',
        '--drain-time=2s',
        '--inbound-port=off',
        '--health-port=off',
        '--metrics-port=off',
        ...(gateway ? this.#gatewayArguments(name) : [`--workload=default/${name}`, `--outbound-port=${this.#port(OUTBOUND_PORT + index - 1)}`]),
      ],
      log: `${this.#options.logs}/${name}.log`,
    });
    this.#proxies.set(name, proxy);
    const ports = await proxy.ready();
    if (ports?.outbound !== undefined) this.#outbound.set(name, ports.outbound);
    return ports;
  }

  #gatewayArguments(name: string): readonly string[] {
    const identity = ['--mode=gateway', `--workload=istio-system/${name}`, '--outbound-port=off'];
    const bound = this.#port(GATEWAY_PORT);
    return bound === GATEWAY_PORT ? identity : [...identity, `--map-port=${GATEWAY_PORT}=${bound}`];
  }

  #port(wanted: number): number {
    return this.#options.ports.get(wanted) ?? wanted;
  }
}
