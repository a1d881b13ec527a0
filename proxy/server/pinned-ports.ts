/**
 * Port 0 made a number that all workers bind. Asked for port 0, node:cluster tells workers' listeners apart by the order
 * in which each process binds them, which a reload or a restarted worker changes.
 */

import { createServer, type AddressInfo } from 'node:net';
import type { ListenerConfig } from '../../config/runtime/listener.ts';

export class PinnedPorts {
  readonly #ports: Map<string, number> = new Map();

  /** The listeners with a port in place of each 0: the same one as before for a listener of the same name and address. */
  async pin(listeners: readonly ListenerConfig[]): Promise<readonly ListenerConfig[]> {
    const pinned: ListenerConfig[] = [];
    for (const listener of listeners) pinned.push(listener.bind.port === 0 ? await this.#pinOne(listener) : listener);
    return pinned;
  }

  async #pinOne(listener: ListenerConfig): Promise<ListenerConfig> {
    const key = `${listener.name} ${listener.bind.address}`;
    const port = this.#ports.get(key) ?? (await freePort(listener.bind.address));
    this.#ports.set(key, port);
    return { ...listener, bind: { ...listener.bind, port } };
  }
}

/** Rejects where the address is not of this machine. Another process may take the port before it is bound again: binding then fails by name. */
function freePort(address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen({ host: address, port: 0, exclusive: true }, () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
}
