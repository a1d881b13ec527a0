/** VirtualService `fault`: holds requests back and answers in the upstream's place, as Envoy's fault filter does. */

import type { Timer } from '../../proxy/base/clock.ts';
import type { LocalReply } from '../../proxy/stream/local-reply.ts';
import { ResponseFlag } from '../../proxy/stream/response-flags.ts';
import type { Stream } from '../../proxy/stream/stream.ts';
import type { FilterFactory } from '../filter.ts';

export interface FaultPolicy {
  readonly delay?: {
    /** Above 0. The route's timeout begins after it: its clock starts with forwarding. */
    readonly fixedDelayMs: number;
    /** 0..100, in steps of 0.0001. */
    readonly percent: number;
  };
  /** One of the two; where both are given `httpStatus` counts. */
  readonly abort?: {
    /** 200..599. A gRPC request is told the grpc-status it stands for (proxy-semantics A.4). */
    readonly httpStatus?: number;
    /** A request that is not gRPC is answered 200 with the text alone (Envoy). */
    readonly grpcStatus?: number;
    /** 0..100, in steps of 0.0001. */
    readonly percent: number;
  };
}

/** Delay first, then abort, each with dice of its own: one request may get both. */
export const createFault: FilterFactory<FaultPolicy> = ({ delay, abort }, { random, setTimer }) => {
  const delayShare = (delay?.percent ?? 0) / 100;
  const abortShare = (abort?.percent ?? 0) / 100;
  const delayMs = delay === undefined || delayShare <= 0 ? 0 : delay.fixedDelayMs;
  const reply = abort === undefined || abortShare <= 0 ? undefined : abortReply(abort);
  if (delayMs <= 0 && reply === undefined) return undefined;

  const active = new WeakMap<Stream, ActiveFault>();
  const injectAbort = (stream: Stream): LocalReply | undefined => {
    if (reply === undefined || random() >= abortShare) return undefined;
    begin(active, stream);
    if (stream.counters !== undefined) stream.counters.faultAbortsInjected++;
    return reply;
  };
  return {
    name: 'fault',
    onRequest(stream) {
      if (delayMs <= 0 || random() >= delayShare) return injectAbort(stream);
      const fault = begin(active, stream);
      stream.info.flags |= ResponseFlag.DelayInjected;
      if (stream.counters !== undefined) stream.counters.faultDelaysInjected++;
      // Never settled where the downstream leaves first: nobody waits for it then.
      return new Promise((resolve) => {
        fault.timer = setTimer(delayMs, () => resolve(injectAbort(stream)));
      });
    },
    onComplete(stream) {
      const fault = active.get(stream);
      if (fault === undefined) return;
      active.delete(stream);
      fault.timer?.cancel();
      if (stream.counters !== undefined) stream.counters.faultActiveFaults--;
    },
  };
};

/** What one stream suffers; it is one active fault, also when it is both delayed and aborted (Envoy). */
interface ActiveFault {
  timer: Timer | undefined;
}

function begin(active: WeakMap<Stream, ActiveFault>, stream: Stream): ActiveFault {
  let fault = active.get(stream);
  if (fault !== undefined) return fault;
  active.set(stream, (fault = { timer: undefined }));
  if (stream.counters !== undefined) stream.counters.faultActiveFaults++;
  return fault;
}

function abortReply({ httpStatus, grpcStatus }: NonNullable<FaultPolicy['abort']>): LocalReply {
  const reply = { status: httpStatus ?? 200, body: 'fault filter abort', flags: ResponseFlag.FaultInjected, details: 'fault_filter_abort' };
  return httpStatus === undefined && grpcStatus !== undefined ? { ...reply, grpcStatus } : reply;
}
