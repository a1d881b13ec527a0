/**
 * Istio's bookinfo sample as it ships: which version answers with each of its networking files, and how weights split.
 * The files that inject faults are in fault.test.ts.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Answer, Ask, MeshRow, Snapshot } from '../support/echo-mesh.ts';
import { EchoMesh } from '../support/echo-mesh.ts';
import { workloads } from '../support/resources.ts';
import { shared } from '../support/shared.ts';
import { countAnswers, withinFiveSigma } from '../support/splits.ts';

const samples = shared('istio-samples', 'samples', 'bookinfo');
const skip = samples.missing;

const UPSTREAMS = ['productpage-v1', 'details-v1', 'details-v2', 'ratings-v1', 'ratings-v2', 'ratings-v2-mysql', 'ratings-v2-mysql-vm', 'reviews-v1', 'reviews-v2', 'reviews-v3'];

/** A file of the sample, unmodified. */
function sample(...path: readonly string[]): string {
  return readFileSync(join(samples.path, ...path), 'utf8');
}

const networking = (name: string): string => sample('networking', `${name}.yaml`);

/** Pods and EndpointSlices as a cluster would have them, on local test services. */
function running(mesh: EchoMesh, names: readonly string[] = UPSTREAMS): Snapshot {
  return names.map((name) => {
    const [app = '', version = ''] = split(name);
    return workloads(app, { portName: 'http', workloads: [{ port: mesh.port(name), version }] });
  });
}

function split(name: string): readonly [app: string, version: string] {
  const dash = name.indexOf('-');
  return [name.slice(0, dash), name.slice(dash + 1)];
}

const to = (app: string, endUser?: string): Ask => ({ host: `${app}:9080`, path: `/${app}/0`, ...(endUser === undefined ? {} : { headers: { 'end-user': endUser } }) });
const everyone = (app: string, answer: Answer): readonly (readonly [Ask, Answer])[] => [
  [to(app), answer],
  [to(app, 'jason'), answer],
];

t.test('a sidecar with each networking file', { skip }, async (t) => {
  const mesh = await EchoMesh.start(t, { upstreams: UPSTREAMS, workload: 'default/productpage-v1' });
  const platform = sample('platform', 'kube', 'bookinfo.yaml');
  const rules = networking('destination-rule-all');
  const row = (name: string, files: readonly string[], ask: MeshRow['ask'], more: Partial<MeshRow> = {}): MeshRow => ({
    name,
    snapshot: [platform, running(mesh), ...files],
    labels: { version: 'v1' },
    ...(ask === undefined ? {} : { ask }),
    ...more,
  });

  await mesh.play(t, [
    row('no networking file: any ready version', [], undefined, {
      also: async (t) => {
        const { counts } = await countAnswers(mesh, to('reviews'), 300);
        for (const version of ['v1', 'v2', 'v3']) t.ok((counts.get(`reviews-${version}`) ?? 0) > 0, `${version} answers some`);
      },
    }),
    row('virtual-service-all-v1', [rules, networking('virtual-service-all-v1')], [
      ...everyone('reviews', 'reviews-v1'),
      ...everyone('ratings', 'ratings-v1'),
      ...everyone('details', 'details-v1'),
      ...everyone('productpage', 'productpage-v1'),
      [{ host: 'reviews.default.svc.cluster.local', path: '/reviews/1' }, { by: 'reviews-v1', log: { upstream_cluster: 'outbound|9080|v1|reviews.default.svc.cluster.local' } }],
    ]),
    row('virtual-service-all-v1 without its DestinationRules', [networking('virtual-service-all-v1')], [
      [to('reviews'), { status: 503, text: '', log: { response_flags: 'NC', response_code_details: 'cluster_not_found' } }],
    ]),
    row('virtual-service-all-v1 with destination-rule-all-mtls: mutual TLS needs a certificate', [networking('destination-rule-all-mtls'), networking('virtual-service-all-v1')], [
      [to('reviews'), { status: 503, log: { response_flags: 'URX,UF', upstream_cluster: 'outbound|9080|v1|reviews.default.svc.cluster.local' } }],
    ]),
    row('destination-rule-reviews', [networking('destination-rule-reviews'), networking('virtual-service-reviews-v3')], everyone('reviews', 'reviews-v3')),
    row('virtual-service-reviews-test-v2', [rules, networking('virtual-service-reviews-test-v2')], [
      [to('reviews'), 'reviews-v1'],
      [to('reviews', 'jason'), { by: 'reviews-v2', headers: { 'end-user': 'jason' } }],
      [to('reviews', 'Jason'), 'reviews-v1'],
      [to('reviews', 'jasonx'), 'reviews-v1'],
      [to('reviews', ''), 'reviews-v1'],
    ]),
    row('virtual-service-reviews-jason-v2-v3', [rules, networking('virtual-service-reviews-jason-v2-v3')], [
      [to('reviews'), 'reviews-v3'],
      [to('reviews', 'jason'), 'reviews-v2'],
    ]),
    row('virtual-service-reviews-v3', [rules, networking('virtual-service-reviews-v3')], everyone('reviews', 'reviews-v3')),
    row('virtual-service-details-v2', [rules, networking('virtual-service-details-v2')], everyone('details', 'details-v2')),
    row('virtual-service-ratings-db', [rules, networking('virtual-service-ratings-db'), sample('platform', 'kube', 'bookinfo-ratings-v2.yaml')], [...everyone('reviews', 'reviews-v3'), ...everyone('ratings', 'ratings-v2')]),
    row('virtual-service-ratings-mysql', [rules, networking('virtual-service-ratings-mysql'), sample('platform', 'kube', 'bookinfo-ratings-v2-mysql.yaml')], everyone('ratings', 'ratings-v2-mysql')),
    row('virtual-service-ratings-mysql-vm', [rules, networking('virtual-service-ratings-mysql-vm'), sample('platform', 'kube', 'bookinfo-ratings-v2-mysql-vm.yaml')], everyone('ratings', 'ratings-v2-mysql-vm')),
    {
      ...row('a subset whose pods are not there', [], undefined),
      snapshot: [platform, running(mesh, ['ratings-v1', 'reviews-v3']), rules, networking('virtual-service-ratings-db')],
      ask: [
        [to('reviews'), 'reviews-v3'],
        [to('ratings'), { status: 503, text: 'no healthy upstream', log: { response_flags: 'UH', upstream_cluster: 'outbound|9080|v2|ratings.default.svc.cluster.local' } }],
      ],
    },
    row('gateway files change nothing at a sidecar', [rules, networking('bookinfo-gateway'), networking('certmanager-gateway')], [
      [to('productpage'), 'productpage-v1'],
      [{ host: 'productpage:9080', path: '/elsewhere' }, 'productpage-v1'],
    ]),
  ]);
});

t.test('weights split as written', { skip }, async (t) => {
  const mesh = await EchoMesh.start(t, { upstreams: ['reviews-v1', 'reviews-v2', 'reviews-v3'], workload: 'default/productpage-v1', args: ['--access-log', 'off'] });
  const cases: readonly (readonly [file: string, shares: Readonly<Record<string, number>>])[] = [
    ['virtual-service-reviews-50-v3', { 'reviews-v1': 0.5, 'reviews-v3': 0.5 }],
    ['virtual-service-reviews-80-20', { 'reviews-v1': 0.8, 'reviews-v2': 0.2 }],
    ['virtual-service-reviews-90-10', { 'reviews-v1': 0.9, 'reviews-v2': 0.1 }],
    ['virtual-service-reviews-v2-v3', { 'reviews-v2': 0.5, 'reviews-v3': 0.5 }],
  ];
  for (const [file, shares] of cases) {
    await mesh.load([sample('platform', 'kube', 'bookinfo.yaml'), running(mesh, ['reviews-v1', 'reviews-v2', 'reviews-v3']), networking('destination-rule-all'), networking(file)]);
    const { counts, other } = await countAnswers(mesh, to('reviews', 'jason'), 2000);
    t.equal(other, 0, `${file}: every request is answered`);
    for (const name of ['reviews-v1', 'reviews-v2', 'reviews-v3']) {
      const share = shares[name] ?? 0;
      t.ok(withinFiveSigma(counts.get(name) ?? 0, 2000, share), `${file}: ${name} gets ${share * 100} %`, { got: counts.get(name) });
    }
  }
});

t.test('the gateway of the sample', { skip }, async (t) => {
  const mesh = await EchoMesh.start(t, { upstreams: ['productpage-v1', 'details-v1'], mode: 'gateway', workload: 'istio-system/istio-ingressgateway', args: ['--map-port', '8080=0', '--map-port', '80=0'] });
  const snapshot = [sample('platform', 'kube', 'bookinfo.yaml'), running(mesh, ['productpage-v1', 'details-v1']), networking('destination-rule-all'), networking('bookinfo-gateway')];
  const labels = { istio: 'ingressgateway' };
  const at = (path: string, more: Partial<Ask> = {}): Ask => ({ host: 'bookinfo.example.com', path, ...more });
  const notFound = { status: 404, text: '', log: { response_flags: 'NR', response_code_details: 'route_not_found' } };
  await mesh.play(t, [
    {
      name: 'bookinfo-gateway: the listed paths only, for any host',
      snapshot,
      labels,
      ask: [
        [at('/productpage'), { by: 'productpage-v1', host: 'bookinfo.example.com', path: '/productpage', headers: { 'x-forwarded-for': '127.0.0.1', 'x-forwarded-proto': 'http' } }],
        [at('/productpage?u=normal', { host: '127.0.0.1:8080' }), { by: 'productpage-v1', path: '/productpage?u=normal' }],
        [at('/productpage/'), notFound],
        [at('/productpagex'), notFound],
        [at('/static/bootstrap/css/bootstrap.min.css'), 'productpage-v1'],
        [at('/login', { method: 'POST', body: 'username=jason&passwd=' }), { by: 'productpage-v1', method: 'POST' }],
        [at('/logout'), 'productpage-v1'],
        [at('/api/v1/products/0/reviews'), 'productpage-v1'],
        [at('/'), notFound],
        [at('/static/../productpage'), 'productpage-v1'],
        [at('/api/v2'), notFound],
      ],
    },
    {
      name: 'certmanager-gateway beside it: a port of its own, and a service that is not there',
      snapshot: [snapshot, networking('certmanager-gateway')],
      labels,
      ask: [
        [at('/productpage', { via: 8080 }), 'productpage-v1'],
        [at('/productpage', { via: 80 }), notFound],
        [at('/.well-known/acme-challenge/token', { via: 80 }), { status: 503, log: { response_flags: 'NC', upstream_cluster: null } }],
      ],
    },
    {
      name: 'without the label nothing is bound',
      snapshot,
      also: async (t) => t.match(await mesh.proxy.admin('/listeners'), /^\s*$/, 'no listener is left'),
    },
  ]);
});
