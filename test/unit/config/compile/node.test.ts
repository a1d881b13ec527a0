/** Who a configuration is for. */

import t from 'tap';
import { resolveNode } from '../../../../config/compile/node.ts';
import { istio } from '../../../support/resources.ts';
import { compiled, mesh, pods, slice, snapshotFrom } from './compiled.ts';

t.test('a workload of the snapshot', async (t) => {
  const snapshot = snapshotFrom([
    pods('a', '10.0.0.1', { b: '2', a: '1' }, { spec: { serviceAccountName: 'sa' } }),
    pods('a', '10.0.0.2', {}, { namespace: 'prod' }),
    istio('WorkloadEntry', 'vm', { address: '10.0.0.3', labels: { app: 'spec', tier: 'x' }, serviceAccount: 'vm-sa' }),
    { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'bare', namespace: 'default' }, spec: { containers: [{ name: 'x' }] } },
    slice('s', [{ addresses: ['127.0.0.7'], targetRef: { kind: 'Pod', name: 'bare' } }], [{ name: 'http', port: 1 }]),
  ]);
  const cases: readonly (readonly [workload: string, identity: unknown])[] = [
    ['default/a', { namespace: 'default', name: 'a', ip: '10.0.0.1', serviceAccount: 'sa', labels: { a: '1', b: '2' } }],
    ['a', { namespace: 'default', ip: '10.0.0.1' }],
    ['prod/a', { namespace: 'prod', ip: '10.0.0.2', serviceAccount: 'default' }],
    ['default/vm', { name: 'vm', ip: '10.0.0.3', serviceAccount: 'vm-sa', labels: { app: 'spec', tier: 'x' } }],
    ['default/bare', { ip: '127.0.0.7' }],
  ];
  for (const [workload, identity] of cases) t.match(resolveNode(snapshot, { workload }), identity, workload);
  t.match(resolveNode(snapshot, { workload: 'prod/vm' }), /no Pod or WorkloadEntry prod\/vm in the snapshot \(it has default\/a, prod\/a/);
  t.match(resolveNode(snapshotFrom([]), { workload: 'x' }), /it has no Pod or WorkloadEntry at all/);
});

t.test('the workload as metrics name it', async (t) => {
  const workload = (name: string, labels: Readonly<Record<string, string>>) => compiled([], { name, labels }).node.workload;
  t.same(workload('reviews-v1-545d-abc', { app: 'reviews', version: 'v1', 'pod-template-hash': '545d' }), { name: 'reviews-v1', namespace: 'default', canonicalService: 'reviews', canonicalRevision: 'v1', app: 'reviews', version: 'v1', serviceAccount: 'client' });
  t.match(workload('db-0', { 'apps.kubernetes.io/pod-index': '0' }), { name: 'db', canonicalService: 'db', canonicalRevision: 'latest' });
  t.match(workload('x', { app: 'a', 'app.kubernetes.io/name': 'n', 'app.kubernetes.io/version': '3', 'service.istio.io/canonical-revision': 'r' }), { name: 'x', canonicalService: 'n', canonicalRevision: 'r' });
  t.match(workload('x', { 'service.istio.io/canonical-name': 'c', 'service.istio.io/workload-name': 'w' }), { name: 'w', canonicalService: 'c' });
});

t.test('access log settings', async (t) => {
  t.same(compiled([]).telemetry, { accessLog: { encoding: 'TEXT' } });
  t.same(compiled([mesh({ accessLogFile: '/dev/stdout', accessLogEncoding: 'JSON', accessLogFormat: '{"a":"%PROTOCOL%"}' })]).telemetry, { accessLog: { encoding: 'JSON', format: '{"a":"%PROTOCOL%"}', path: '/dev/stdout' } });
});
