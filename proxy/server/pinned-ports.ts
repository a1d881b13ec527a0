/**
 * Port 0 made a number that all workers bind. Asked for port 0, node:cluster tells workers' listeners apart by the order
 * in which each process binds them, which a reload or a restarted worker changes. Unix sockets have none, but may be in the way of themselves.
 */

import { createServer, type AddressInfo } from 'node:net';
import type { ListenerConfig } from '../../config/runtime/listener.ts';
import { isUnixAddress } from '../base/unix-address.ts';
import { removeStaleSocket } from '../listener/stale-socket.ts';

export class PinnedPorts {
  readonly #ports: Map<string, number> = new Map();
  /** Unix sockets that the workers have been told to bind. */
  readonly #sockets: Set<string> = new Set();

  /** The listeners with a port in place of each 0: the same one as before for a listener of the same name and address. */
  async pin(listeners: readonly ListenerConfig[]): Promise<readonly ListenerConfig[]> {
    const pinned: ListenerConfig[] = [];
    for (const listener of listeners) {
      const { address, port } = listener.bind;
      if (isUnixAddress(address)) await this.#makeRoom(address);
      pinned.push(port === 0 && !isUnixAddress(address) ? await this.#pinOne(listener) : listener);
    }
    return pinned;
  }

  /** Here, because of several workers each would take the other's new socket for the stale one. */
  async #makeRoom(address: string): Promise<void> {
    if (this.#sockets.has(address)) return;
    this.#sockets.add(address);
    await removeStaleSocket(address);
  }

  async #pinOne(listener: ListenerConfig): Promise<ListenerConfig> {
    const { address, bothFamilies } = listener.bind;
    const key = `${listener.name} ${address}`;
    const port = this.#ports.get(key) ?? (await freePort(bothFamilies === true ? '::' : address));
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
