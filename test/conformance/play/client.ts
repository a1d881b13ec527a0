/** A raw client connection that keeps every byte it receives and knows nothing about HTTP. */

import { connect, type Socket } from 'node:net';

export class RawClient {
  readonly #socket: Socket;
  #received = '';
  #ended = false;
  #watchers: (() => void)[] = [];
  /** Local port, by which the access log names the connection. */
  readonly localPort: Promise<number>;

  constructor(port: number) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    this.localPort = new Promise((resolve) => this.#socket.once('connect', () => resolve(this.#socket.localPort ?? 0)));
    this.#socket.on('error', () => undefined);
    this.#socket.on('data', (chunk) => {
      this.#received += chunk.toString('latin1');
      this.#wake();
    });
    this.#socket.on('end', () => this.#end());
    this.#socket.on('close', () => this.#end());
  }

  get received(): string {
    return this.#received;
  }

  /** The other side has finished: FIN or RST. */
  get ended(): boolean {
    return this.#ended;
  }

  write(bytes: string): void {
    if (!this.#socket.destroyed) this.#socket.write(bytes, 'latin1');
  }

  end(): void {
    this.#socket.end();
  }

  reset(): void {
    this.#socket.resetAndDestroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Resolves true as soon as `condition` holds (looked at after each arrival), false when `timeoutMs` passes first. */
  until(condition: () => boolean, timeoutMs: number): Promise<boolean> {
    if (condition()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), timeoutMs);
      const look = (): void => {
        if (!condition()) {
          this.#watchers.push(look);
          return;
        }
        clearTimeout(timer);
        resolve(true);
      };
      this.#watchers.push(look);
    });
  }

  #end(): void {
    this.#ended = true;
    this.#wake();
  }

  #wake(): void {
    for (const watcher of this.#watchers.splice(0)) watcher();
  }
}
