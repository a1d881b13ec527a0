/** A stream that has ended, as telemetry sees it. */

import type { RequestHead, ResponseHead, Stream } from '../../proxy/stream/stream.ts';
import { HeaderList } from '../../proxy/stream/header-list.ts';
import { StreamInfo } from '../../proxy/stream/stream-info.ts';

/** What differs from a plain GET answered 200 by reviews; headers are name and value in turn. */
export interface StreamChanges {
  readonly request?: Partial<Omit<RequestHead, 'headers'>>;
  readonly requestHeaders?: readonly string[];
  /** Null for a stream without a response. */
  readonly response?: Partial<Omit<ResponseHead, 'headers'>> | null;
  readonly responseHeaders?: readonly string[];
  readonly info?: Partial<Omit<StreamInfo, 'downstreamLocalAddress' | 'downstreamRemoteAddress' | 'downstreamDirectRemoteAddress' | 'upstreamLocalAddress'>>;
  readonly direction?: Stream['direction'];
  readonly route?: Stream['route'];
}

const REVIEWS = { host: 'reviews.default.svc.cluster.local', name: 'reviews', namespace: 'default' };

export function completedStream(changes: StreamChanges = {}): Stream {
  const info = new StreamInfo();
  Object.assign(info, {
    startTimeMs: Date.UTC(2026, 10, 21, 8, 49, 1, 7),
    startMs: 100,
    requestCompleteMs: 101.5,
    responseHeadMs: 109.9,
    endMs: 112.75,
    bytesReceived: 3,
    bytesSent: 1024,
    responseCode: 200,
    details: 'via_upstream',
    routeName: 'default',
    cluster: { name: 'outbound|9080||reviews.default.svc.cluster.local', service: REVIEWS },
    host: { address: '10.0.0.1:9080', workload: REVIEWS_V1 },
    upstreamConnection: { localAddress: '10.0.0.9:41234' },
    downstream: { localAddress: '10.96.0.7:9080', remoteAddress: '10.0.0.9:50000' },
    upstreamServiceTimeMs: 8,
    attemptCount: 1,
    // A file of JSON says null for what is absent.
    ...Object.fromEntries(Object.entries(changes.info ?? {}).map(([name, value]) => [name, value ?? undefined])),
  });
  const headers = new HeaderList([...(changes.requestHeaders ?? ['user-agent', 'curl/8.5.0', 'x-request-id', 'f1d2'])]);
  return {
    request: { method: 'GET', path: '/reviews/0?u=1', originalPath: undefined, authority: 'reviews:9080', scheme: 'http', ...changes.request, headers },
    response: changes.response === null ? undefined : { status: 200, ...changes.response, headers: new HeaderList([...(changes.responseHeaders ?? [])]) },
    info,
    direction: changes.direction ?? 'outbound',
    route: changes.route,
  };
}

export const REVIEWS_V1 = {
  name: 'reviews-v1',
  namespace: 'default',
  canonicalService: 'reviews',
  canonicalRevision: 'v1',
  app: 'reviews',
  version: 'v1',
  cluster: 'Kubernetes',
};
