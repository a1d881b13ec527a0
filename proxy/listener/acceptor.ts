/** A bound address: accepts connections for one listener, and counts those that the kernel could not hand over (out of descriptors). */

import type { AddressInfo, Server } from 'node:net';
import { getSystemErrorName } from 'node:util';
import type { ListenerConfig } from '../../config/runtime/listener.ts';
import { createAcceptor } from '../base/socket.ts';
import { isUnixAddress, unixPath } from '../base/unix-address.ts';
import type { Listener } from './listener.ts';
import { removeStaleSocket } from './stale-socket.ts';

/** Kernel queue of connections not yet accepted. */
const BACKLOG = 1024;

export class Acceptor {
  readonly listener: Listener;
  readonly #server: Server;
  #acceptErrors = 0;

  constructor(listener: Listener) {
    this.listener = listener;
    this.#server = createAcceptor(
      (socket) => listener.accept(socket),
      (code) => {
        this.#acceptErrors++;
        listener.onAcceptError(/^-\d+$/.test(code) ? getSystemErrorName(Number(code)) : code);
      },
    );
  }

  get config(): ListenerConfig {
    return this.listener.config;
  }

  /** Connections the kernel could not hand over (EMFILE, ENFILE …). */
  get acceptErrors(): number {
    return this.#acceptErrors;
  }

  get boundPort(): number {
    return (this.#server.address() as AddressInfo | null)?.port ?? 0;
  }

  get boundAddress(): string {
    const { address, bothFamilies } = this.config.bind;
    return bothFamilies === true ? address : ((this.#server.address() as AddressInfo | null)?.address ?? address);
  }

  /** Binds; a unix socket that nobody listens on any more is replaced. Rejects with the bind error, which names address and port. */
  async listen(): Promise<void> {
    const { address } = this.config.bind;
    try {
      await this.#bind();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || !(await removeStaleSocket(address))) throw error;
      await this.#bind();
    }
  }

  #bind(): Promise<void> {
    const { address, port, bothFamilies } = this.config.bind;
    const where = isUnixAddress(address) ? { path: unixPath(address) } : { host: bothFamilies === true ? '::' : address, port };
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ ...where, backlog: BACKLOG }, () => {
        this.#server.removeListener('error', reject);
        this.#server.on('error', () => {
          this.#acceptErrors++;
        });
        this.listener.boundPort = this.boundPort;
        resolve();
      });
    });
  }

  /** Stops accepting; connections go on. */
  close(): void {
    this.#server.close();
  }
}
