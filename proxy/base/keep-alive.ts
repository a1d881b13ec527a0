/** TCP keep-alive probes, as far as this Node lets them be set. */

import { Socket } from 'node:net';

/** A member that is absent is the system's default. */
export interface KeepAlive {
  /** Unanswered probes after which the connection is dead. */
  readonly probes?: number;
  /** Silence before the first probe; whole seconds count. */
  readonly timeMs?: number;
  /** Between probes; whole seconds count. */
  readonly intervalMs?: number;
}

/** Node 20 and 22 take the time alone, and with it set 10 probes, a second apart. */
export const KEEP_ALIVE_PROBES_CAN_BE_SET: boolean = Socket.prototype.setKeepAlive.length >= 4;

/** What Linux does by itself: Node puts defaults of its own in the place of a member that is not given. */
const SYSTEM: Required<KeepAlive> = { probes: 9, timeMs: 7_200_000, intervalMs: 75_000 };

interface FullySettable {
  setKeepAlive(enable: boolean, delayMs?: number, intervalMs?: number, probes?: number): unknown;
}

export function startKeepAlive(socket: FullySettable, { probes, timeMs, intervalMs }: KeepAlive): void {
  if (probes === undefined && timeMs === undefined && intervalMs === undefined) socket.setKeepAlive(true);
  else socket.setKeepAlive(true, atLeastOneSecond(timeMs ?? SYSTEM.timeMs), atLeastOneSecond(intervalMs ?? SYSTEM.intervalMs), probes ?? SYSTEM.probes);
}

function atLeastOneSecond(ms: number): number {
  return Math.max(1000, ms);
}
