/** AUTO_PASSTHROUGH: which server names lead to which cluster. */

import t from 'tap';
import { clusterNamedBySni } from '../../../../proxy/tcp/sni-cluster.ts';

const MESH = ['*.default.svc.cluster.local'];

t.test('names of Istio\'s form lead to the cluster of that name', async (t) => {
  t.equal(clusterNamedBySni('outbound_.9080_.v1_.reviews.default.svc.cluster.local', MESH), 'outbound_.9080_.v1_.reviews.default.svc.cluster.local');
  t.equal(clusterNamedBySni('outbound_.9080_._.reviews.default.svc.cluster.local', MESH), 'outbound_.9080_._.reviews.default.svc.cluster.local');
  t.equal(clusterNamedBySni('outbound_.80_._.shop.example', ['*']), 'outbound_.80_._.shop.example');
  t.equal(clusterNamedBySni('outbound_.80_._.shop.example', ['shop.example']), 'outbound_.80_._.shop.example');
});

t.test('other names, and hosts the server does not serve, lead nowhere', async (t) => {
  for (const name of ['', 'reviews.default.svc.cluster.local', 'outbound_.x_._.a.default.svc.cluster.local', 'outbound_.80_._.', 'outbound_.80', 'inbound_.80_._.a.default.svc.cluster.local']) {
    t.equal(clusterNamedBySni(name, MESH), undefined, name);
  }
  t.equal(clusterNamedBySni('outbound_.80_._.a.other.svc.cluster.local', MESH), undefined, 'another namespace');
  t.equal(clusterNamedBySni('outbound_.80_._.default.svc.cluster.local', MESH), undefined, 'a wildcard is not its own suffix');
});
