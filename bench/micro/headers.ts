/** Header operations of a route. */

import { createHeaderOps } from '../../proxy/router/header-ops.ts';
import type { HeaderOpsConfig } from '../../config/runtime/route.ts';
import { HeaderList } from '../../proxy/stream/header-list.ts';
import { StreamInfo } from '../../proxy/stream/stream-info.ts';
import type { Stream } from '../../proxy/stream/stream.ts';
import type { MicroBenchmark } from './measure.ts';

export function headerBenchmarks(): MicroBenchmark[] {
  return [
    ops('header ops: set 2 fixed', { set: [['x-a', '1'], ['x-b', '2']] }),
    ops('header ops: remove 1, set 1, add 1', { remove: ['x-c'], set: [['x-a', '1']], add: [['x-d', '2']] }),
    ops('header ops: set from REQ and PROTOCOL', { set: [['x-a', '%REQ(user-agent)%'], ['x-b', '%PROTOCOL%-1']] }),
  ];
}

function ops(name: string, config: Partial<HeaderOpsConfig>): MicroBenchmark {
  const apply = createHeaderOps({ remove: [], set: [], add: [], ...config });
  const headers = new HeaderList(['host', 'reviews:9080', 'user-agent', 'curl/8.5.0', 'accept', '*/*', 'x-a', '0', 'x-c', '1']);
  const length = headers.items.length;
  const request = { method: 'GET', path: '/', originalPath: undefined, authority: 'reviews:9080', scheme: 'http', headers };
  const stream: Stream = { request, response: undefined, info: new StreamInfo(), direction: 'outbound', route: undefined };
  return {
    name,
    run: () => {
      apply?.(headers, stream);
      headers.items.length = Math.min(headers.items.length, length);
      return headers;
    },
  };
}
