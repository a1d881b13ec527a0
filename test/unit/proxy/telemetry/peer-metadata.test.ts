/** Istio's peer metadata: the bytes of its Struct, what is believed of a peer, and that a peer cannot make labels without end. */

import t from 'tap';
import type { NodeConfig } from '../../../../config/runtime/runtime-config.ts';
import { clientWorkload, ownMetadata } from '../../../../proxy/telemetry/peer-metadata.ts';
import { mutualTls } from '../../../support/security.ts';

const PRODUCTPAGE: NodeConfig = {
  mode: 'sidecar', namespace: 'default', name: 'productpage-v1-abc', ip: '10.0.0.9', serviceAccount: 'bookinfo-productpage', labels: {}, clusterDomain: 'cluster.local',
  trustDomain: 'cluster.local', rootNamespace: 'istio-system',
  workload: { name: 'productpage-v1', namespace: 'default', canonicalService: 'productpage', canonicalRevision: 'v1', app: 'productpage', version: 'v1', cluster: 'Kubernetes' },
};
const CLIENT = mutualTls('spiffe://cluster.local/ns/default/sa/bookinfo-productpage', 'spiffe://cluster.local/ns/default/sa/bookinfo-reviews');

t.test('own metadata: a Struct with its fields in order, as protobuf writes it', async (t) => {
  const { id, value } = ownMetadata(PRODUCTPAGE);
  t.equal(id, 'sidecar~10.0.0.9~productpage-v1-abc.default~default.svc.cluster.local');
  t.equal(ownMetadata({ ...PRODUCTPAGE, mode: 'gateway' }).id.split('~')[0], 'router');
  const bytes = Buffer.from(value, 'base64');
  // Field 1 of Struct: an entry of 26 bytes; key "CLUSTER_ID"; Value with string_value "Kubernetes".
  t.same(bytes.subarray(0, 28), Buffer.concat([Buffer.from([0x0a, 26, 0x0a, 10]), Buffer.from('CLUSTER_ID'), Buffer.from([0x12, 12, 0x1a, 10]), Buffer.from('Kubernetes')]).subarray(0, 28));
  t.same([...bytes.toString('latin1').matchAll(/[A-Z]+_?[A-Z]{2,}|[a-z./-]*(?:canonical-[a-z]+|app|version)(?=\x12)/g)].map(([name]) => name), [
    'CLUSTER_ID', 'LABELS', 'app', 'service.istio.io/canonical-name', 'service.istio.io/canonical-revision', 'version', 'NAME', 'NAMESPACE', 'WORKLOAD_NAME',
  ]);
  t.same(clientWorkload(CLIENT, value), PRODUCTPAGE.workload, 'what one says the other one reads');
  t.same(clientWorkload(CLIENT, ownMetadata({ ...PRODUCTPAGE, workload: { canonicalService: 'x'.repeat(200) } }).value), { canonicalService: 'x'.repeat(200), canonicalRevision: 'latest', namespace: 'default' });
});

t.test('as Istio\'s own sidecars write it: fields in any order, values of every kind', async (t) => {
  const text = (tag: number, value: string | Buffer): Buffer => Buffer.concat([Buffer.from([tag, value.length]), Buffer.from(value)]);
  const entry = (name: string, value: Buffer): Buffer => text(0x0a, Buffer.concat([text(0x0a, name), text(0x12, value)]));
  const labels = Buffer.concat([entry('version', text(0x1a, 'v2')), entry('app', text(0x1a, 'ratings'))]);
  const struct = Buffer.concat([
    entry('WORKLOAD_NAME', text(0x1a, 'ratings-v2')),
    entry('NULL', Buffer.from([0x08, 0])),
    entry('NUMBER', Buffer.from([0x11, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f])),
    entry('TRUE', Buffer.from([0x20, 1])),
    entry('LIST', text(0x32, text(0x0a, text(0x1a, 'x')))),
    entry('LABELS', text(0x2a, labels)),
    entry('NAMESPACE', text(0x1a, 'elsewhere')),
  ]);
  const expected = { name: 'ratings-v2', namespace: 'default', app: 'ratings', version: 'v2' };
  t.same(clientWorkload(CLIENT, struct.toString('base64')), expected, 'the namespace is the certificate\'s');
  t.same(clientWorkload(CLIENT, struct.toString('base64').replace(/=*$/, '')), expected, 'without padding');
  for (let length = 0; length < struct.length; length++) t.match(clientWorkload(CLIENT, struct.subarray(0, length).toString('base64')), { namespace: 'default' }, `cut after ${length}`);
});

t.test('who is believed', async (t) => {
  const { value } = ownMetadata(PRODUCTPAGE);
  t.equal(clientWorkload({ ...CLIENT, mutual: false }, value), undefined, 'nobody whose certificate was not verified');
  t.equal(clientWorkload({ ...CLIENT, peer: undefined }, value), undefined);
  t.equal(clientWorkload(mutualTls('https://example.com/', 'spiffe://a/ns/b/sa/c'), value), undefined, 'nobody outside a mesh');
  for (const garbage of [undefined, '', '!', 'AAAA', Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0xff]).toString('base64'), 'A'.repeat(100_000)]) {
    t.same(clientWorkload(CLIENT, garbage), { namespace: 'default' }, `of ${String(garbage).slice(0, 12)} only what the certificate says`);
  }
  t.same(clientWorkload(mutualTls('spiffe://cluster.local/other/form', 'spiffe://a/ns/b/sa/c'), undefined), {});
  const { value: long } = ownMetadata({ ...PRODUCTPAGE, workload: { name: 'n'.repeat(300), app: 'a' } });
  t.same(clientWorkload(CLIENT, long), { app: 'a', namespace: 'default' }, 'no name is that long');
});

t.test('the same answer is the same object, and there are not too many', async (t) => {
  const { value } = ownMetadata(PRODUCTPAGE);
  t.equal(clientWorkload(CLIENT, value), clientWorkload({ ...CLIENT }, value));
  t.equal(clientWorkload(CLIENT, value), clientWorkload(CLIENT, ownMetadata({ ...PRODUCTPAGE, name: 'productpage-v1-def' }).value), 'two pods of a workload');
  const seen = new Set<unknown>();
  for (let i = 0; i < 5000; i++) seen.add(clientWorkload(CLIENT, ownMetadata({ ...PRODUCTPAGE, workload: { name: `liar-${i}` } }).value));
  t.ok(seen.size <= 2000, `${seen.size} workloads`);
  t.same(clientWorkload(CLIENT, ownMetadata({ ...PRODUCTPAGE, workload: { name: 'one-more' } }).value), { namespace: 'default' }, 'who comes too late is known by the certificate');
});
