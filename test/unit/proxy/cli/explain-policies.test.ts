/** The values of every resilience policy as explain tells them: in force, in Istio's words, from the level that has the say. */

import { join } from 'node:path';
import t, { type Test } from 'tap';
import { runExplain } from '../../../../proxy/cli/explain.ts';
import type { Explanation } from '../../../../proxy/cli/explain/explanation.ts';

type Ask = (url: string, ...more: readonly string[]) => Promise<Explanation>;

/** Asks about requests of the workload default/client in a snapshot of that text. */
function asker(t: Test, yaml: string): Ask {
  return async (url, ...more) => JSON.parse(await explain(t, yaml, '--json', 'GET', url, ...more)) as Explanation;
}

async function explain(t: Test, yaml: string, ...argv: readonly string[]): Promise<string> {
  const file = join(t.testdir({ 'mesh.yaml': yaml }), 'mesh.yaml');
  let stdout = '';
  let stderr = '';
  const code = await runExplain(['--config', file, '--workload', 'default/client', ...argv], { env: {}, stdout: (text) => void (stdout += text), stderr: (text) => void (stderr += text) });
  if (code !== 0) throw new Error(stderr);
  return stdout.replaceAll(file, 'mesh.yaml');
}

const SERVICES = `
apiVersion: v1
kind: Service
metadata: {name: b, namespace: default}
spec: {selector: {app: b}, ports: [{port: 80, name: http, targetPort: 8080}, {port: 81, name: http-b, targetPort: 8080}]}
${pod('client', '{app: client, istio-locality: r1.z1}', '10.0.0.9')}
${pod('b-1', '{app: b, version: v1, istio-locality: r1.z1}', '10.0.0.1')}
${pod('b-2', '{app: b, version: v1, istio-locality: r1.z2}', '10.0.0.2')}
${pod('b-3', '{app: b, version: v2, istio-locality: r2.z1}', '10.0.0.3')}
`;

function pod(name: string, labels: string, ip: string): string {
  return `---\napiVersion: v1\nkind: Pod\nmetadata: {name: ${name}, namespace: default, labels: ${labels}}\nspec: {containers: [{name: c}]}\nstatus: {podIP: ${ip}, phase: Running}`;
}

function rule(spec: string): string {
  return `---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: b, namespace: default}\nspec:\n  host: b\n${spec}\n`;
}

function routes(http: string): string {
  return `---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: b, namespace: default}\nspec:\n  hosts: [b]\n  http:\n${http}\n`;
}

function mesh(fields: string): string {
  return `---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata:\n  mesh: |\n    ${fields.replaceAll('\n', '\n    ')}\n`;
}

const DEFAULT_RETRIES = { attempts: 2, retryOn: 'connect-failure,refused-stream,unavailable,cancelled', backoff: '25ms', retryIgnorePreviousHosts: true, retryRemoteLocalities: false };

t.test('defaults', async (t) => {
  const { policies, response } = await asker(t, SERVICES)('http://b:80/');
  t.equal(response, null);
  t.same(policies, {
    timeout: { value: null, origin: 'default' },
    retries: { value: DEFAULT_RETRIES, origin: 'default' },
    fault: { value: null, origin: 'default' },
    mirror: { value: null, origin: 'default' },
    cors: { value: null, origin: 'default' },
    headers: { value: null, origin: 'default' },
    rewrite: { value: null, origin: 'default' },
    loadBalancer: { value: { simple: 'LEAST_REQUEST' }, origin: 'default' },
    connectionPool: { value: { tcp: { connectTimeout: '10s' } }, origin: 'default' },
    outlierDetection: { value: null, origin: 'default' },
    tls: { value: { mode: 'AUTO' }, origin: 'default' },
  });
});

t.test('retries', async (t) => {
  const to = 'route: [{destination: {host: b, port: {number: 80}}}]';
  const ask = asker(t, SERVICES + mesh('defaultHttpRetryPolicy: {attempts: 5, backoff: 50ms}') + routes(`
  - {match: [{uri: {prefix: /own}}], retries: {attempts: 3, perTryTimeout: 1500ms, retryOn: "5xx,503", retryRemoteLocalities: true}, ${to}}
  - {match: [{uri: {prefix: /off}}], retries: {attempts: 0}, ${to}}
  - {match: [{uri: {prefix: /never}}], retries: {attempts: 4, retryOn: "599"}, ${to}}
  - {match: [{uri: {prefix: /bye}}], redirect: {uri: /x}}
  - {${to}}`));
  const retries = async (path: string) => (await ask(`http://b:80${path}`)).policies.retries;
  t.match(await retries('/own'), {
    value: { attempts: 3, perTryTimeout: '1500ms', retryOn: '5xx,503', backoff: '25ms', retryIgnorePreviousHosts: true, retryRemoteLocalities: true },
    origin: { resource: 'VirtualService default/b', line: Number },
    path: 'spec.http[0].retries',
  });
  t.match(await retries('/off'), { value: { attempts: 0 }, path: 'spec.http[1].retries' });
  t.match(await retries('/never'), { value: { attempts: 0, retryOn: '599' } }, 'nothing it names can happen');
  t.same(await retries('/bye'), { value: null, origin: 'default' }, 'nothing is forwarded');
  t.match(await retries('/'), { value: { ...DEFAULT_RETRIES, attempts: 5, backoff: '50ms' }, origin: { resource: 'ConfigMap istio-system/istio' }, path: 'defaultHttpRetryPolicy' });
});

t.test('faults and mirrors', async (t) => {
  const to = 'route: [{destination: {host: b, port: {number: 80}}}]';
  const ask = asker(t, SERVICES + routes(`
  - {match: [{uri: {prefix: /some}}], fault: {delay: {fixedDelay: 2s, percentage: {value: 0.5}}, abort: {grpcStatus: UNAVAILABLE, percentage: {value: 99.9999}}}, ${to}}
  - {match: [{uri: {prefix: /all}}], fault: {delay: {fixedDelay: 1h, percentage: {value: 100}}, abort: {httpStatus: 418, percentage: {value: 100}}}, ${to}}
  - {match: [{uri: {prefix: /grpc}}], fault: {abort: {grpcStatus: UNAVAILABLE, percentage: {value: 100}}}, ${to}}
  - {match: [{uri: {prefix: /none}}], fault: {abort: {httpStatus: 503}, delay: {fixedDelay: 1s, percent: 7}}, ${to}}
  - {match: [{uri: {prefix: /late}}], fault: {delay: {fixedDelay: 1s, percentage: {value: 100}}}, ${to}}
  - {match: [{uri: {prefix: /one}}], mirror: {host: b, subset: v2}, mirrorPercent: 5, ${to}}
  - {mirrors: [{destination: {host: b}}, {destination: {host: b, subset: v2}, percentage: {value: 1.5}}], ${to}}`));
  const asked = async (path: string) => await ask(`http://b:80${path}`);
  const call = await ask('http://b:80/grpc', '-H', 'content-type: application/grpc');
  t.same(call.response, { status: 200, flag: 'FI', details: 'fault_filter_abort', grpcStatus: 14, grpcMessage: 'fault filter abort' });
  const some = await asked('/some');
  t.match(some.policies.fault, { value: { delay: { fixedDelay: '2s', percentage: { value: 0.5 } }, abort: { grpcStatus: 'UNAVAILABLE', percentage: { value: 99.9999 } } }, path: 'spec.http[0].fault' });
  t.same([some.response, some.destinations.length], [null, 1], 'what is left to chance is not foretold');
  const all = await asked('/all');
  t.same(all.response, { status: 418, flag: 'FI', details: 'fault_filter_abort', body: 'fault filter abort' }, 'a delay before it changes nothing');
  t.same(all.destinations, []);
  t.same((await asked('/grpc')).response, { status: 200, flag: 'FI', details: 'fault_filter_abort', body: 'fault filter abort' }, 'a request that is not gRPC');
  const none = await asked('/none');
  t.same([none.policies.fault.value, none.response], [{ delay: { fixedDelay: '1s', percentage: { value: 7 } }, abort: { httpStatus: 503, percentage: { value: 0 } } }, null], 'no percentage is 0 %');
  t.equal((await asked('/late')).response, null, 'delayed and forwarded');
  t.match((await asked('/one')).policies.mirror, { value: [{ destination: { host: 'b', subset: 'v2' }, percentage: { value: 5 } }], path: 'spec.http[5].mirror' });
  t.match((await asked('/')).policies.mirror, { value: [{ destination: { host: 'b' }, percentage: { value: 100 } }, { destination: { host: 'b', subset: 'v2' }, percentage: { value: 1.5 } }], path: 'spec.http[6].mirrors' });
});

t.test('weighted destinations, each with policies of its own', async (t) => {
  const yaml = SERVICES + rule(`  trafficPolicy: {loadBalancer: {simple: RANDOM}}
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}, trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true}}, connectionPool: {http: {http2MaxRequests: 3}}}}`) + routes(`
  - route: [{destination: {host: b, subset: v1, port: {number: 80}}, weight: 40}, {destination: {host: b, subset: v2, port: {number: 80}}, weight: 60}]`);
  const { policies, destinations: [v1, v2] } = await asker(t, yaml)('http://b:80/');
  t.match(policies.loadBalancer, { value: { consistentHash: { useSourceIp: true } }, path: 'spec.subsets[1].trafficPolicy.loadBalancer' }, 'told for all: those of the largest weight');
  t.equal(v2?.policies, undefined);
  t.strictSame(Object.keys(v1?.policies ?? {}), ['loadBalancer', 'connectionPool'], 'and what is otherwise');
  t.match(v1?.policies, { loadBalancer: { value: { simple: 'RANDOM' }, path: 'spec.trafficPolicy.loadBalancer', origin: { resource: 'DestinationRule default/b' } }, connectionPool: { value: { tcp: { connectTimeout: '10s' } }, origin: 'default' } });
  const text = await explain(t, yaml, 'GET', 'http://b:80/');
  t.match(text, / {2}40 % {2}b\S+ subset v1.*\n(?: {6}10\S+.*\n)+ {6}loadBalancer {4}\{simple: RANDOM\} {2}DestinationRule default\/b spec\.trafficPolicy\.loadBalancer mesh\.yaml:\d+\n {6}connectionPool {2}\{tcp: \{connectTimeout: 10s\}\} {2}default\n/);
});

t.test('the level that has the say', async (t) => {
  const ask = asker(t, SERVICES
    + mesh('connectTimeout: 4s\ndefaultTrafficPolicy: {outlierDetection: {maxEjectionPercent: 100, minHealthPercent: 30}}')
    + rule(`  trafficPolicy:
    retryBudget: {percent: 25}
    connectionPool: {tcp: {maxConnections: 10, maxConnectionDuration: 1h, idleTimeout: 0s, tcpKeepalive: {time: 60s, probes: 3}}, http: {http2MaxRequests: 100, maxRequestsPerConnection: 1, idleTimeout: 90s, maxRetries: 0}}
    loadBalancer: {simple: RANDOM}
  subsets:
  - name: v1
    labels: {version: v1}
    trafficPolicy:
      connectionPool: {tcp: {connectTimeout: 1s}, http: {http1MaxPendingRequests: 1}}
      portLevelSettings:
      - {port: {number: 81}, loadBalancer: {simple: ROUND_ROBIN, warmup: {duration: 60s}}, outlierDetection: {consecutive5xxErrors: 0, consecutiveGatewayErrors: 3, splitExternalLocalOriginErrors: true, interval: 1s, outlierDetectionHttpErrorCodes: [500]}}`)
    + routes(`
  - {match: [{uri: {prefix: /v1}}], route: [{destination: {host: b, subset: v1}}]}
  - {route: [{destination: {host: b}}]}`));
  const rule1 = { resource: 'DestinationRule default/b' };
  const meshMap = { resource: 'ConfigMap istio-system/istio' };

  const whole = (await ask('http://b:80/')).policies;
  t.match(whole.loadBalancer, { value: { simple: 'RANDOM' }, origin: rule1, path: 'spec.trafficPolicy.loadBalancer' });
  t.match(whole.connectionPool, { origin: rule1, path: 'spec.trafficPolicy.connectionPool', origins: { 'tcp.connectTimeout': meshMap, retryBudget: rule1 } });
  t.same(whole.connectionPool.value, {
    tcp: { maxConnections: 10, connectTimeout: '4s', tcpKeepalive: { probes: 3, time: '60s' }, maxConnectionDuration: '3600s', idleTimeout: '0s' },
    http: { http2MaxRequests: 100, maxRequestsPerConnection: 1, idleTimeout: '90s' },
    retryBudget: { percent: 25, minRetryConcurrency: 3, budgetInterval: '0s' },
  }, 'a limit of 0 is none');
  t.match(whole.outlierDetection, { origin: meshMap, path: 'defaultTrafficPolicy.outlierDetection' });
  t.same(whole.outlierDetection.value, { consecutive5xxErrors: 5, interval: '10s', baseEjectionTime: '30s', maxEjectionPercent: 100, minHealthPercent: 30 });

  const subset = (await ask('http://b:80/v1')).policies;
  t.match(subset.loadBalancer, { value: { simple: 'RANDOM' }, path: 'spec.trafficPolicy.loadBalancer' }, 'inherited');
  t.match(subset.connectionPool, { value: { tcp: { connectTimeout: '1s' }, http: { http1MaxPendingRequests: 1 }, retryBudget: { percent: 25 } }, path: 'spec.subsets[0].trafficPolicy.connectionPool' });
  t.notOk('maxConnections' in (subset.connectionPool.value as { tcp: object }).tcp, 'the block replaces the whole block above');

  const port = (await ask('http://b:81/v1')).policies;
  t.match(port.loadBalancer, { value: { simple: 'ROUND_ROBIN', warmup: { duration: '60s', minimumPercent: 10, aggression: 1 } }, path: 'spec.subsets[0].trafficPolicy.portLevelSettings[0].loadBalancer' });
  t.same(port.outlierDetection.value, {
    consecutive5xxErrors: 0, consecutiveGatewayErrors: 3, splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailures: 5,
    interval: '1s', baseEjectionTime: '30s', maxEjectionPercent: 10, minHealthPercent: 0, outlierDetectionHttpErrorCodes: [500],
  });
  t.match(port.connectionPool, { value: { tcp: { connectTimeout: '4s' } }, origin: meshMap }, 'a port inherits nothing');
});

t.test('consistent hash', async (t) => {
  const hash = async (written: string) => (await asker(t, SERVICES + rule(`  trafficPolicy: {loadBalancer: {consistentHash: ${written}}}`))('http://b:80/')).policies;
  t.same((await hash('{httpHeaderName: X-User}')).loadBalancer.value, { consistentHash: { httpHeaderName: 'X-User', ringHash: { minimumRingSize: 1024 } } });
  t.same((await hash('{httpCookie: {name: sid, ttl: 0s}, maglev: {tableSize: 5003}}')).loadBalancer.value, { consistentHash: { httpCookie: { name: 'sid', ttl: '0s' }, maglev: { tableSize: 5003 } } });
  t.same((await hash('{useSourceIp: true, minimumRingSize: 9}')).loadBalancer.value, { consistentHash: { useSourceIp: true, ringHash: { minimumRingSize: 9 } } }, 'the deprecated spelling');
  t.same((await hash('{httpQueryParameterName: k}')).retries.value, { ...DEFAULT_RETRIES, retryIgnorePreviousHosts: false }, 'a key goes back to its host');
});

t.test('localities', async (t) => {
  const v1 = async (policy: string) => await asker(t, SERVICES + rule(`  trafficPolicy: ${policy}`))('http://b:80/');
  const plain = await v1('{loadBalancer: {simple: RANDOM}}');
  t.same([plain.destinations[0]?.localities, plain.destinations[0]?.priorities], [['r1/z1', 'r1/z2', 'r2/z1'], undefined], 'all alike');
  const failover = await v1('{outlierDetection: {maxEjectionPercent: 100}}');
  t.same(failover.destinations[0]?.priorities, [0, 1, 2], 'outlier detection switches failover on');
  t.match(failover.policies.loadBalancer, { value: { simple: 'LEAST_REQUEST', localityLbSetting: { enabled: true } }, origin: 'default' });
  const off = await v1('{outlierDetection: {maxEjectionPercent: 100}, loadBalancer: {localityLbSetting: {enabled: false}}}');
  t.same([off.destinations[0]?.priorities, off.policies.loadBalancer.value], [undefined, { simple: 'LEAST_REQUEST', localityLbSetting: { enabled: false } }]);
  const shares = await v1('{loadBalancer: {localityLbSetting: {distribute: [{from: r1/*, to: {r1/z1: 80, r2/*: 20}}]}}}');
  t.same(shares.destinations[0]?.endpoints, ['10.0.0.1:8080', '10.0.0.3:8080'], 'what is not listed gets nothing');
  t.same(shares.destinations[0]?.localityWeights, [80, 20]);
  t.match(shares.policies.loadBalancer.value, { localityLbSetting: { enabled: true, distribute: [{ from: 'r1/*', to: { 'r1/z1': 80, 'r2/*': 20 } }] } });
});

t.test('what is not enforced is said', async (t) => {
  const ask = asker(t, SERVICES + rule('  trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE, http2KeepAlive: {interval: 1s, timeout: 1s}}}, loadBalancer: {zoneAwareLbSetting: {enabled: true}}, tls: {mode: SIMPLE, credentialName: none}}'));
  const { loadBalancer, connectionPool, tls } = (await ask('http://b:80/')).policies;
  t.equal(connectionPool.notEnforced, 'http.h2UpgradePolicy, http.http2KeepAlive: not enforced yet');
  t.equal(loadBalancer.notEnforced, 'zoneAwareLbSetting: not enforced yet');
  t.equal(tls.notEnforced, 'dropped, as in Istio: sent in plain text', 'a sidecar uses secrets by rules for chosen workloads only');
});

t.test('as text', async (t) => {
  const text = await explain(t, SERVICES + rule('  trafficPolicy: {retryBudget: {percent: 5}, outlierDetection: {}}\n  subsets: [{name: v1, labels: {version: v1}, trafficPolicy: {connectionPool: {http: {http2MaxRequests: 9}}}}]')
    + routes('  - {route: [{destination: {host: b, subset: v1, port: {number: 80}}}]}'), 'GET', 'http://b:80/');
  t.match(text, '      10.0.0.1:8080  b-1  r1/z1, priority 0\n      10.0.0.2:8080  b-2  r1/z2, priority 1\n');
  t.match(text, /connectionPool {4}\{tcp: \{connectTimeout: 10s\}, http: \{http2MaxRequests: 9\}, retryBudget: \{percent: 5, .*\}\} {2}DestinationRule default\/b spec\.subsets\[0\]\.trafficPolicy\.connectionPool mesh\.yaml:\d+, tcp\.connectTimeout: default, retryBudget: DestinationRule default\/b mesh\.yaml:\d+\n/);
  t.match(text, /outlierDetection {2}\{consecutive5xxErrors: 5, interval: 10s, baseEjectionTime: 30s, maxEjectionPercent: 10, minHealthPercent: 0\} {2}DestinationRule default\/b spec\.trafficPolicy\.outlierDetection mesh\.yaml:\d+\n/);
});

t.test('automatic mutual TLS: which endpoints get it', async (t) => {
  const yaml = `${SERVICES}${pod('b-4', '{app: b, security.istio.io/tlsMode: istio}', '10.0.0.4')}`;
  const certs = ['--certs', t.testdir({})];
  const tls = (text: string): readonly (readonly string[])[] => (JSON.parse(text) as Explanation).destinations.map((destination) => destination.tls ?? []);
  const without = 'plain text: no sidecar there, or one that takes no mutual TLS';
  t.same(tls(await explain(t, yaml, ...certs, '--json', 'GET', 'http://b:80/')), [[without, without, without, 'mutual TLS']]);
  t.match(await explain(t, yaml, ...certs, 'GET', 'http://b:80/'), /10\.0\.0\.4:8080 {2}b-4 {2}.*mutual TLS\n/);
  t.same(tls(await explain(t, yaml, '--json', 'GET', 'http://b:80/')), [[]], 'without a certificate all is plain text');
  const disabled = `${yaml}\n---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: b, namespace: default}\nspec: {host: b, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}\n`;
  t.same(tls(await explain(t, disabled, ...certs, '--json', 'GET', 'http://b:80/')), [[]], 'asked for, it is for all');
});

t.test('DYNAMIC_DNS: the name that will be looked up', async (t) => {
  const entry = `---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: e, namespace: default}\nspec: {hosts: ['*.example'], resolution: DYNAMIC_DNS, ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080}]}\n`;
  const text = await explain(t, SERVICES + entry, 'GET', 'http://a.example/');
  t.match(text, /a\.example:8080 {2}looked up when the request comes/);
});
