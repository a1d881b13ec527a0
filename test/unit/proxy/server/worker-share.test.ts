/** What a worker gets of a proxy's limits: together never more than was configured, each enough to work. */

import fc from 'fast-check';
import t from 'tap';
import type { ClusterConfig, ConnectionPoolConfig } from '../../../../config/runtime/cluster.ts';
import { shareOfConfig, shareOfDelta } from '../../../../proxy/server/worker-share.ts';
import { clusterOf, configOf } from '../../../support/data-path.ts';

function shared(connectionPool: ConnectionPoolConfig, workers: number): ConnectionPoolConfig | undefined {
  return shareOfConfig(configOf({ cluster: { connectionPool } }), workers).clusters['upstream']?.connectionPool;
}

t.test('counts are divided, what holds for each connection is not', (t) => {
  const origin = { resource: 'DestinationRule default/a', file: 'a.yaml', line: 1 };
  const pool: ConnectionPoolConfig = {
    maxConnections: 10,
    maxPendingRequests: 7,
    maxRequests: 4,
    maxRetries: 3,
    retryBudget: { percent: 20, minRetryConcurrency: 8, intervalMs: 0 },
    maxRequestsPerConnection: 9,
    maxConnectionDurationMs: 1000,
    tcpIdleTimeoutMs: 2000,
    tcpKeepalive: { probes: 9 },
    origin,
  };
  t.strictSame(shared(pool, 4), { ...pool, maxConnections: 2, maxPendingRequests: 1, maxRequests: 1, maxRetries: 1, retryBudget: { percent: 20, minRetryConcurrency: 2, intervalMs: 0 } });
  t.equal(shared(pool, 1), pool);
  t.strictSame(shared({ origin }, 4), { origin }, 'what is not limited stays so');
  t.strictSame(shared({ retryBudget: { percent: 0, minRetryConcurrency: 0, intervalMs: 0 } }, 4), { retryBudget: { percent: 0, minRetryConcurrency: 0, intervalMs: 0 } });
  t.end();
});

t.test('the same of a start and of a delta, other clusters untouched', (t) => {
  const limited = clusterOf('limited', 1, { connectionPool: { maxConnections: 5 } });
  const free = clusterOf('free', 1);
  const config = configOf({ moreClusters: [limited, free] });
  const started = shareOfConfig(config, 2);
  t.equal(started.clusters['free'], config.clusters['free']);
  t.equal(started.clusters['limited']?.connectionPool?.maxConnections, 2);
  t.equal(config.clusters['limited']?.connectionPool?.maxConnections, 5, 'the proxy itself still tells the whole limit');
  const delta = { fromVersion: '1', version: '2', clusters: { changed: [limited, free], removed: ['gone'] }, routeTables: { changed: [], removed: [] } };
  t.strictSame(shareOfDelta(delta, 2).clusters, { changed: [started.clusters['limited'] as ClusterConfig, free], removed: ['gone'] });
  t.equal(shareOfDelta(delta, 1), delta);
  t.end();
});

t.test('no limit of at least one a worker is exceeded, and no worker is left without', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 31 }), fc.integer({ min: 2, max: 128 }), (limit, workers) => {
      const share = shared({ maxConnections: limit }, workers)?.maxConnections ?? Infinity;
      return share >= 1 && share * workers <= Math.max(limit, workers) && limit - share * workers < workers;
    }),
  );
  t.end();
});
