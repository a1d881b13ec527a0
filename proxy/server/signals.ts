/** Signals of the operating system as calls: SIGTERM and SIGINT drain, once more stops, SIGHUP reloads, SIGUSR2 reopens logs. */

export interface SignalActions {
  /** First SIGTERM or SIGINT. */
  drain(signal: string): void;
  /** SIGTERM or SIGINT again: stop without waiting. */
  stop(signal: string): void;
  reload(): void;
  /** After log rotation. Not SIGUSR1 as in Envoy: Node keeps that one for its inspector. */
  reopenLogs(): void;
}

/** Returns what takes the listeners away again. */
export function onSignals(actions: SignalActions, source: NodeJS.EventEmitter = process): () => void {
  let draining = false;
  const end = (signal: string): void => {
    if (draining) return actions.stop(signal);
    draining = true;
    actions.drain(signal);
  };
  const listeners: readonly (readonly [string, (signal: string) => void])[] = [
    ['SIGTERM', end],
    ['SIGINT', end],
    ['SIGHUP', () => actions.reload()],
    ['SIGUSR2', () => actions.reopenLogs()],
  ];
  for (const [signal, listener] of listeners) source.on(signal, listener);
  return () => {
    for (const [signal, listener] of listeners) source.off(signal, listener);
  };
}
