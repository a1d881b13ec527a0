import t from 'tap';
import { loadFindings, snapshotOf } from '../../../support/findings.ts';

/** The mesh document begins on line 7 at column 5. */
function configMap(mesh: string): string {
  const indented = mesh.split('\n').map((line) => `    ${line}`).join('\n');
  return `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: istio\n  namespace: istio-system\ndata:\n  mesh: |-\n${indented}\n`;
}

t.test('MeshConfig: positions are those of the outer file', async (t) => {
  const cases: readonly (readonly [name: string, mesh: string, problems: readonly string[]])[] = [
    ['valid', 'accessLogFile: /dev/stdout\nconnectTimeout: 5s\noutboundTrafficPolicy: {mode: REGISTRY_ONLY}\ndefaultConfig:\n  gatewayTopology: {numTrustedProxies: 1}\n  proxyMetadata: {A: b}\nextensionProviders:\n- name: p\n  prometheus: {}\ndefaultProviders: {metrics: [prometheus]}', []],
    ['empty', '', []],
    ['unknown field', 'accessLogFile: a\nacessLogEncoding: JSON', ['9:5: acessLogEncoding: unknown field "acessLogEncoding"; did you mean "accessLogEncoding"? [IST0106]']],
    ['wrong enum', 'pathNormalization:\n  normalization: NONNE', ['9:22: pathNormalization.normalization: "NONNE" is not known; did you mean "NONE"? [IST0106]']],
    ['duration', 'connectTimeout: 5', ['8:21: connectTimeout: must be a duration such as "500ms", "5s", "1m30s" or "1h", got the number 5 [IST0106]']],
    ['duration out of range', 'connectTimeout: 2h', ['8:21: connectTimeout: must be at most 1h [IST0106]']],
    ['fraction of a second', 'defaultConfig:\n  drainDuration: 1500ms', ['9:22: defaultConfig.drainDuration: must be whole seconds [IST0106]']],
    ['port', 'proxyListenPort: 0', ['8:22: proxyListenPort: must be a whole number from 1 to 65535, got 0 [IST0106]']],
    ['egress proxy', 'outboundTrafficPolicy:\n  mode: REGISTRY_ONLY\n  egressProxy: {host: a}', ['10:7: outboundTrafficPolicy.egressProxy: is only for mode ALLOW_ANY, this one is REGISTRY_ONLY [IST0106]']],
    ['JSON format', 'accessLogEncoding: JSON\naccessLogFormat: "%START_TIME%"', ['9:22: accessLogFormat: must be a JSON object, because accessLogEncoding is JSON [IST0106]']],
    ['provider without kind', 'extensionProviders:\n- name: a', ['9:7: extensionProviders[0]: needs one provider: envoyExtAuthzHttp, envoyExtAuthzGrpc, zipkin, lightstep, datadog, stackdriver, opencensus, skywalking, opentelemetry, prometheus, envoyFileAccessLog, envoyHttpAls, envoyTcpAls, envoyOtelAls, sds [IST0106]']],
    ['provider field', 'extensionProviders:\n- name: a\n  zipkin: {service: z, prt: 80}', ['10:28: extensionProviders[0].zipkin.prt: unknown field "prt"; did you mean "port"? [IST0106]']],
    ['two providers', 'extensionProviders:\n- {name: a, prometheus: {}, stackdriver: {}}', ['9:17: extensionProviders[0].prometheus: only one provider may be set, got stackdriver and prometheus [IST0106]']],
    ['provider twice', 'extensionProviders:\n- {name: a, prometheus: {}}\n- {name: a, prometheus: {}}', ['10:14: extensionProviders[1].name: the name "a" is used twice [IST0106]']],
    ['known and not read', 'ingressClass: istio', ['8:5: ingressClass: warning: is for the control plane; a data plane with a local snapshot has no use for it']],
    ['known and not read, deeper', 'defaultConfig:\n  discoveryAddress: istiod:15012', ['9:7: defaultConfig.discoveryAddress: warning: is for the control plane; a data plane with a local snapshot has no use for it']],
    ['key twice', 'accessLogFile: a\naccessLogFile: b', ['9:5: the key "accessLogFile" is written twice in one map']],
  ];
  for (const [name, mesh, problems] of cases) {
    t.strictSame(loadFindings(configMap(mesh)), problems.map((problem) => problem.replace(/^(\d+:\d+: )/, '$1ConfigMap istio-system/istio: ')), name);
  }
});

t.test('values', async (t) => {
  const spec = snapshotOf(configMap('connectTimeout: 1m\nextensionProviders:\n- name: log\n  envoyFileAccessLog: {path: /dev/stdout}')).meshConfig?.spec;
  t.strictSame([spec?.connectTimeout, spec?.extensionProviders], [60_000, [{ name: 'log', kind: 'envoyFileAccessLog', settings: { path: '/dev/stdout' } }]]);
});
