/** A connection that nobody serves, as the access log sees it: there is neither request nor response. */

import type { Direction } from '../../config/runtime/listener.ts';
import type { ConnectionFacts } from '../stream/connection-facts.ts';
import { HeaderList } from '../stream/header-list.ts';
import { StreamInfo, type UpstreamClusterView } from '../stream/stream-info.ts';
import type { RequestHead, Stream } from '../stream/stream.ts';
import type { Refusal } from './refusal.ts';

export class RefusedConnection implements Stream {
  readonly request: RequestHead = { method: '', path: '', originalPath: undefined, authority: '', scheme: '', headers: new HeaderList() };
  readonly response: undefined;
  readonly isTcp = true;
  readonly info: StreamInfo = new StreamInfo();
  readonly direction: Direction;
  readonly route: undefined;

  constructor(direction: Direction, facts: ConnectionFacts, endMs: number, refusal: Refusal, cluster: UpstreamClusterView | undefined) {
    this.direction = direction;
    const { info } = this;
    info.protocol = '';
    info.downstream = facts;
    info.takeConnection(facts);
    info.startTimeMs = facts.startTimeMs;
    info.startMs = facts.startMs;
    info.endMs = endMs;
    info.flags = refusal.flags;
    info.details = refusal.details;
    info.connectionTerminationDetails = refusal.termination;
    info.cluster = cluster;
  }
}
