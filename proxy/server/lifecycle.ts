/** What asks the proxy to reload or to end, at any time from the first moment on: signals, the admin server. */

export class Lifecycle {
  /** Resolves with the cause once the proxy is asked to drain, or to stop. */
  readonly draining: Promise<string>;
  /** Resolves with the cause once the proxy is asked to stop without waiting. */
  readonly stopping: Promise<string>;
  #drain: (cause: string) => void = () => {};
  #stop: (cause: string) => void = () => {};
  #reload: ((cause: string) => void) | undefined;
  #pendingReload: string | undefined;

  constructor() {
    this.draining = new Promise((resolve) => (this.#drain = resolve));
    this.stopping = new Promise((resolve) => (this.#stop = resolve));
  }

  drain(cause: string): void {
    this.#drain(cause);
  }

  stop(cause: string): void {
    this.#drain(cause);
    this.#stop(cause);
  }

  /** Before there is anything to reload, the cause waits for `onReload`. */
  reload(cause: string): void {
    if (this.#reload === undefined) this.#pendingReload = cause;
    else this.#reload(cause);
  }

  onReload(reload: (cause: string) => void): void {
    this.#reload = reload;
    if (this.#pendingReload !== undefined) reload(this.#pendingReload);
  }
}
