/** Path normalisation and rewriting. */

import { normalizePath } from '../../proxy/http/normalize.ts';
import { createRewrite } from '../../proxy/router/rewrite.ts';
import { HeaderList } from '../../proxy/stream/header-list.ts';
import type { RewriteConfig } from '../../config/runtime/route.ts';
import type { MicroBenchmark } from './measure.ts';

export function pathBenchmarks(): MicroBenchmark[] {
  return [
    { name: 'normalize /productpage', run: () => normalizePath('/productpage', 'BASE') },
    { name: 'normalize 60 plain characters with a query', run: () => normalizePath('/api/v1/products/0/reviews/some-longer-name?page=2&sort=name', 'BASE') },
    { name: 'normalize %20', run: () => normalizePath('/api/v1/some%20name', 'BASE') },
    { name: 'normalize ../ and %2e', run: () => normalizePath('/api/../v1/%2e/x', 'BASE') },
    rewrite('rewrite prefix', { uri: { kind: 'prefix', from: '/api/', to: '/' } }),
    rewrite('rewrite regex, anchored', { regex: { match: '^/api/(.*)$', substitution: '/\\1' } }),
    rewrite('rewrite regex with re2js', { regex: { match: '(.*)/v1', substitution: '\\1/v2' } }),
  ];
}

function rewrite(name: string, config: RewriteConfig): MicroBenchmark {
  const apply = createRewrite(config);
  const request = { method: 'GET', path: '', originalPath: undefined, authority: 'reviews:9080', scheme: 'http', headers: new HeaderList(['host', 'reviews:9080', 'accept', '*/*']) };
  return {
    name,
    run: () => {
      request.path = '/api/v1/products';
      apply(request);
      return request.path;
    },
  };
}
