/** A bound address: accepts connections for one HTTP listener, pauses when the process runs out of descriptors. */

import type { AddressInfo, Server } from 'node:net';
import type { ListenerConfig } from '../../config/runtime/listener.ts';
import { createAcceptor } from '../base/socket.ts';
import type { HttpListener } from '../http/http-listener.ts';

/** Kernel queue of connections not yet accepted. */
const BACKLOG = 1024;

export class Acceptor {
  readonly listener: HttpListener;
  readonly #server: Server;
  #acceptErrors = 0;

  constructor(listener: HttpListener) {
    this.listener = listener;
    this.#server = createAcceptor(
      (socket) => {
        const connection = listener.accept(socket);
        return (bytes, length) => {
          try {
            connection.onRead(bytes, length);
          } catch (error) {
            // A bug: it costs this connection, which would hang otherwise, and is reported as what it is.
            connection.destroy();
            throw error;
          }
        };
      },
      () => {
        this.#acceptErrors++;
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
    return (this.#server.address() as AddressInfo | null)?.address ?? '';
  }

  /** Binds. Rejects with the bind error, which names address and port. */
  listen(): Promise<void> {
    const { address, port } = this.config.bind;
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host: address, port, backlog: BACKLOG }, () => {
        this.#server.removeListener('error', reject);
        this.#server.on('error', () => {
          this.#acceptErrors++;
        });
        resolve();
      });
    });
  }

  /** Stops accepting; connections go on. */
  close(): void {
    this.#server.close();
  }
}
