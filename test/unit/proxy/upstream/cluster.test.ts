/** Hosts that requests name (PASSTHROUGH) beside hosts that the configuration names: who may go when idle. */

import t from 'tap';
import type { ClusterConfig } from '../../../../config/runtime/cluster.ts';
import { createEventClock } from '../../../../proxy/base/event-clock.ts';
import { Cluster } from '../../../../proxy/upstream/cluster.ts';
import { TestClock } from '../../../support/clock.ts';
import { clusterOf } from '../../../support/data-path.ts';

const IDLE_MS = 61_000;
const passthrough: Partial<ClusterConfig> = { loadBalancer: { policy: 'PASSTHROUGH', origin: 'default' } };

function started(config: ClusterConfig): { readonly cluster: Cluster; readonly idle: () => void } {
  const source = new TestClock();
  const clock = createEventClock(source);
  const cluster = new Cluster(config, { clock, random: () => 0, resolver: async () => [] });
  const idle = (): void => {
    source.advance(IDLE_MS);
    clock.tick();
    cluster.sweep(clock.now());
  };
  return { cluster, idle };
}

t.test('a named destination goes when nobody has asked for it for a while', async (t) => {
  const { cluster, idle } = started(clusterOf('c', 80, passthrough));
  cluster.pickOriginal('127.0.0.1', 81);
  idle();
  t.same([...cluster.hosts], []);
});

t.test('an endpoint stays, although requests named it before the policy changed', async (t) => {
  const { cluster, idle } = started(clusterOf('c', 80, passthrough));
  const host = cluster.pickOriginal('127.0.0.1', 80);
  cluster.update(clusterOf('c', 80));
  t.equal(cluster.pick(), host, 'with its connections');
  idle();
  t.equal([...cluster.hosts].length, 1);
});

t.test('a redirected connection goes on to where it was going, endpoints and fixed address or not', async (t) => {
  const { cluster, idle } = started(clusterOf('c', 80, { followsOriginalDestination: true, addressOverride: '127.0.0.9' }));
  t.ok(cluster.followsRedirection);
  const endpoint = cluster.pick();
  t.equal(cluster.pickRedirected({ address: '127.0.0.1', port: 80 }), endpoint, 'the endpoint at that address, with its connections');
  const other = cluster.pickRedirected({ address: 'fd00::1', port: 81 });
  t.match(other.endpoint, { address: 'fd00::1', port: 81 });
  t.equal(cluster.pickRedirected({ address: 'fd00::1', port: 81 }), other);
  t.match(cluster.pickOriginal('127.0.0.1', 82).endpoint, { address: '127.0.0.9', port: 82 });
  for (const _ of [1, 2, 3]) t.equal(cluster.pick(), endpoint, 'nobody else is sent there');
  idle();
  t.same([...cluster.hosts], [endpoint], 'what was named is forgotten, the endpoint is not');
  t.not(cluster.pickRedirected({ address: 'fd00::1', port: 81 }), other, 'made anew');
});

t.test('hosts that are found again as they were leave turns where they are; a changed weight does not', async (t) => {
  const loadBalancer = { policy: 'ROUND_ROBIN', origin: 'default' } as const;
  const endpoints = [1, 2, 3].flatMap((port) => clusterOf('c', port).endpoints);
  const { cluster } = started(clusterOf('c', 1, { loadBalancer, endpoints }));
  const ports = (count: number): (number | undefined)[] => Array.from({ length: count }, () => cluster.pick()?.endpoint.port);
  t.strictSame(ports(2), [1, 2]);
  cluster.update(clusterOf('c', 1, { loadBalancer, endpoints: endpoints.map((endpoint) => ({ ...endpoint })) }));
  t.strictSame(ports(2), [3, 1], 'goes on');
  cluster.update(clusterOf('c', 1, { loadBalancer, endpoints: endpoints.map((endpoint, i) => ({ ...endpoint, weight: i === 0 ? 2 : 1 })) }));
  t.strictSame(ports(4).filter((port) => port === 1).length, 2, 'new shares');
});
