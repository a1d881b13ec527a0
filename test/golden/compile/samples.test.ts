/**
 * Istio's own samples, unmodified, compiled: what each adds to the configuration of plain bookinfo, helloworld or httpbin.
 *
 * Expected output is in `expected/`, one file a sample, written anew by `UPDATE_GOLDEN=1`; origins are relative to the
 * samples' folder.
 */

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { diff } from '../../../config/compile/diff.ts';
import { compile } from '../../../config/compile/index.ts';
import type { NodeOptions } from '../../../config/compile/node.ts';
import { loadSnapshot } from '../../../config/load/snapshot.ts';
import { renderProblem } from '../../../config/runtime/problem.ts';
import type { RuntimeConfig } from '../../../config/runtime/runtime-config.ts';
import { renderResources, service } from '../../support/resources.ts';
import type { ResourceObject } from '../../support/resources.ts';
import { shared } from '../../support/shared.ts';

const samples = shared('istio-samples', 'samples');
const BOOKINFO = 'bookinfo/platform/kube/bookinfo.yaml';
const RULES = 'bookinfo/networking/destination-rule-all.yaml';

const SIDECAR: NodeOptions = {
  mode: 'sidecar',
  namespace: 'default',
  name: 'productpage-v1',
  ip: '127.0.0.1',
  serviceAccount: 'bookinfo-productpage',
  labels: { app: 'productpage', version: 'v1' },
  clusterDomain: 'cluster.local',
  trustDomain: 'cluster.local',
  rootNamespace: 'istio-system',
  bindAddress: '0.0.0.0',
  outboundPort: 15001,
  inboundPort: 15006,
  portMap: {},
};
/** In a mesh, of both families. */
const MESHED: NodeOptions = { ...SIDECAR, ip: '10.0.0.9', bindAddress: '::', hasIdentity: true };
const GATEWAY: NodeOptions = { ...SIDECAR, mode: 'gateway', namespace: 'istio-system', name: 'ingress', labels: { istio: 'ingressgateway' } };

interface Golden {
  /** Relative to the samples' folder. */
  readonly sample: string;
  readonly base: readonly string[];
  readonly node: NodeOptions;
}

const onBookinfo = (file: string, base: readonly string[], node = SIDECAR): Golden => ({ sample: `bookinfo/networking/${file}.yaml`, base, node });

const GOLDEN: readonly Golden[] = [
  { sample: BOOKINFO, base: [], node: SIDECAR },
  ...['destination-rule-all', 'destination-rule-all-mtls', 'destination-rule-reviews', 'egress-rule-google-apis', 'fault-injection-details-v1'].map((file) => onBookinfo(file, [BOOKINFO])),
  ...[
    'virtual-service-all-v1', 'virtual-service-details-v2', 'virtual-service-ratings-db', 'virtual-service-ratings-mysql', 'virtual-service-ratings-mysql-vm',
    'virtual-service-ratings-test-abort', 'virtual-service-ratings-test-delay', 'virtual-service-reviews-50-v3', 'virtual-service-reviews-80-20',
    'virtual-service-reviews-90-10', 'virtual-service-reviews-jason-v2-v3', 'virtual-service-reviews-test-v2', 'virtual-service-reviews-v2-v3', 'virtual-service-reviews-v3',
  ].map((file) => onBookinfo(file, [BOOKINFO, RULES])),
  ...['bookinfo-db', 'bookinfo-mysql'].map((file) => ({ sample: `bookinfo/platform/kube/${file}.yaml`, base: [BOOKINFO], node: MESHED })),
  { sample: 'helloworld/helloworld-dual-stack.yaml', base: [], node: { ...MESHED, name: 'client', labels: { app: 'client' } } },
  ...['bookinfo-gateway', 'certmanager-gateway'].map((file) => onBookinfo(file, [BOOKINFO], GATEWAY)),
  { sample: 'helloworld/helloworld-gateway.yaml', base: ['helloworld/helloworld.yaml'], node: GATEWAY },
  { sample: 'httpbin/httpbin-gateway.yaml', base: ['httpbin/httpbin.yaml'], node: GATEWAY },
];

for (const golden of GOLDEN) {
  t.test(golden.sample, { skip: samples.missing }, async (t) => {
    const before = compiled(golden.base, golden.node);
    const after = compiled([...golden.base, golden.sample], golden.node);
    const { version: _version, fromVersion: _from, ...delta } = diff(before, after);
    const text = `${JSON.stringify(golden.base.length === 0 ? withoutVersion(after) : delta, undefined, 1)}\n`;
    const file = expectedFile(golden.sample);
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, text);
    t.same(text.split('\n'), (existsSync(file) ? readFileSync(file, 'utf8') : '').split('\n'), `as in ${basename(file)} (UPDATE_GOLDEN=1 rewrites it)`);
  });
}

/** The sample services and endpoints on this machine, as tests of the whole proxy have them. */
function compiled(files: readonly string[], node: NodeOptions): RuntimeConfig {
  const paths = files.map((file) => join(samples.path, file));
  const snapshot = loadSnapshot([...paths, '-'], { stdin: () => renderResources(workloads()) });
  const errors = snapshot.problems.filter(({ severity }) => severity === 'error');
  if (errors.length > 0) throw new Error(errors.map(renderProblem).join('\n'));
  const { config } = compile(snapshot, node);
  return JSON.parse(JSON.stringify(config).replaceAll(`${samples.path}/`, '')) as RuntimeConfig;
}

function workloads(): readonly ResourceObject[] {
  const versions = (name: string, first: number, count: number): readonly ResourceObject[] => {
    const all = Array.from({ length: count }, (_, index) => ({ port: first + index, version: `v${index + 1}` }));
    return service(name, { workloads: all }).filter(({ kind }) => kind !== 'Service');
  };
  return [...versions('productpage', 9010, 1), ...versions('reviews', 9020, 3), ...versions('ratings', 9030, 2), ...versions('details', 9040, 1), ...versions('helloworld', 9050, 2), ...versions('httpbin', 9060, 1)];
}

function withoutVersion({ version: _version, ...rest }: RuntimeConfig): Omit<RuntimeConfig, 'version'> {
  return rest;
}

function expectedFile(sample: string): string {
  const beside = fileURLToPath(new URL('../../../../test/golden/compile/expected', import.meta.url));
  return join(existsSync(beside) ? beside : resolve('test/golden/compile/expected'), `${basename(sample, '.yaml')}.json`);
}
