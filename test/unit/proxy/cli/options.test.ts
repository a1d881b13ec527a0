/** Every option of `outrider run`: its values, its environment variable, its default, its mistakes. */

import t from 'tap';
import { isUsageError, parseRunOptions, RUN_FLAGS, type Bootstrap, type Environment } from '../../../../proxy/cli/options.ts';

const REQUIRED = ['--config', 'mesh.yaml'];

const DEFAULTS: Bootstrap = {
  config: ['mesh.yaml'],
  mode: 'sidecar',
  identity: { kind: 'stated', namespace: 'default', serviceAccount: 'default', labels: {} },
  clusterDomain: 'cluster.local',
  trustDomain: 'cluster.local',
  rootNamespace: 'istio-system',
  bind: '0.0.0.0',
  ports: { outbound: 15001, inbound: 15006, admin: 15000, health: 15021, metrics: 15090 },
  portMap: {},
  concurrency: 1,
  accessLog: {},
  logLevel: 'info',
  interception: 'auto',
  drainTimeMs: 45_000,
};

function parse(argv: readonly string[], env: Environment = {}, files: Readonly<Record<string, string>> = {}): Bootstrap | string {
  const parsed = parseRunOptions(argv, env, (path) => files[path]);
  return isUsageError(parsed) ? parsed.message : parsed;
}

const stated = (members: object): object => ({ identity: { ...DEFAULTS.identity, ...members } });
const ports = (members: object): object => ({ ports: { ...DEFAULTS.ports, ...members } });

t.test('defaults', (t) => {
  t.same(parse(REQUIRED), DEFAULTS);
  t.end();
});

t.test('every address is of both families where the machine has both, unless one is given', (t) => {
  const onMachine = (argv: readonly string[]): unknown => parseRunOptions(argv, {}, () => undefined, true);
  t.same(onMachine(REQUIRED), { ...DEFAULTS, bothFamilies: true });
  t.same(onMachine([...REQUIRED, '--bind', '0.0.0.0']), DEFAULTS);
  t.end();
});

t.test('each option gives its value', (t) => {
  const rows: [argv: string[], expected: object][] = [
    [['--config', 'b', '--config=a', '--config', '-'], { config: ['mesh.yaml', 'b', 'a', '-'] }],
    [['--mode', 'gateway'], { mode: 'gateway' }],
    [['--mode=sidecar'], { mode: 'sidecar' }],
    [['--workload', 'shop/cart-1'], { identity: { kind: 'workload', namespace: 'shop', name: 'cart-1' } }],
    [['--namespace', 'shop'], stated({ namespace: 'shop' })],
    [['--name', 'cart-1'], stated({ name: 'cart-1' })],
    [['--ip', '10.1.2.3'], stated({ ip: '10.1.2.3' })],
    [['--ip', 'fd00::1'], stated({ ip: 'fd00::1' })],
    [['--service-account', 'cart'], stated({ serviceAccount: 'cart' })],
    [['--labels', 'app=cart,version=v1'], stated({ labels: { app: 'cart', version: 'v1' } })],
    [['--labels', 'app.kubernetes.io/name=cart,empty='], stated({ labels: { 'app.kubernetes.io/name': 'cart', empty: '' } })],
    [['--labels', 'constructor=x'], stated({ labels: { constructor: 'x' } })],
    [['--cluster-domain', 'mesh.example'], { clusterDomain: 'mesh.example' }],
    [['--trust-domain', 'td.example'], { trustDomain: 'td.example' }],
    [['--root-namespace', 'mesh-root'], { rootNamespace: 'mesh-root' }],
    [['--bind', '127.0.0.1'], { bind: '127.0.0.1' }],
    [['--bind', '::'], { bind: '::' }],
    [['--outbound-port', '0'], ports({ outbound: 0 })],
    [['--inbound-port', 'off'], ports({ inbound: 'off' })],
    [['--admin-port', '65535'], ports({ admin: 65535 })],
    [['--health-port', 'off', '--metrics-port', 'off'], ports({ health: 'off', metrics: 'off' })],
    [['--outbound-port', '0', '--inbound-port', '0', '--admin-port', '0'], ports({ outbound: 0, inbound: 0, admin: 0 })],
    [['--map-port', '80=8080', '--map-port', '443=0'], { portMap: { 80: 8080, 443: 0 } }],
    [['--concurrency', '4'], { concurrency: 4 }],
    [['--concurrency', '0'], { concurrency: 0 }],
    [['--certs', '/etc/certs'], { certs: '/etc/certs' }],
    [['--access-log', 'off'], { accessLog: { path: 'off' } }],
    [['--access-log', '-'], { accessLog: { path: '-' } }],
    [['--access-log', '/var/log/a.log', '--access-log-format', 'json'], { accessLog: { path: '/var/log/a.log', format: 'json' } }],
    [['--access-log-format', '%REQ(:METHOD)% %RESPONSE_CODE%'], { accessLog: { format: '%REQ(:METHOD)% %RESPONSE_CODE%' } }],
    [['--log-level', 'debug'], { logLevel: 'debug' }],
    [['--interception', 'redirect'], { interception: 'redirect' }],
    [['--log-level', 'warning'], { logLevel: 'warn' }],
    [['--drain-time', '1m30s'], { drainTimeMs: 90_000 }],
    [['--drain-time', '250ms'], { drainTimeMs: 250 }],
    [['--drain-time', '1.5h'], { drainTimeMs: 5_400_000 }],
    [['--drain-time', '0'], { drainTimeMs: 0 }],
    [['--exit-on-zero-active-connections'], { exitWhenIdle: { minimumDrainMs: 5000 } }],
    [['--exit-on-zero-active-connections', '--minimum-drain', '2s'], { exitWhenIdle: { minimumDrainMs: 2000 } }],
    [['--minimum-drain', '2s'], {}],
    [['--keep-compiler'], { keepCompiler: true }],
    [['--drain-time', '0s'], { drainTimeMs: 0 }],
    [['--ready-file', '/tmp/ready'], { readyFile: '/tmp/ready' }],
    [['--mode', 'gateway', '--mode', 'sidecar'], { mode: 'sidecar' }],
  ];
  for (const [argv, expected] of rows) t.same(parse([...REQUIRED, ...argv]), { ...DEFAULTS, ...expected }, argv.join(' '));
  const tested = new Set(rows.flatMap(([argv]) => argv).map((word) => word.replace(/=.*/, '')));
  for (const { name } of RUN_FLAGS) t.ok(tested.has(`--${name}`), `--${name} is in this table`);
  t.end();
});

t.test('each variable stands in for its flag, which wins over it', (t) => {
  const rows: [variable: string, value: string, fromEnv: object, argv: string[], fromFlag: object][] = [
    ['OUTRIDER_CONFIG', 'a.yaml:/etc/b', { config: ['a.yaml', '/etc/b'] }, ['--config', 'c'], { config: ['c'] }],
    ['POD_NAMESPACE', 'shop', stated({ namespace: 'shop' }), ['--namespace', 'x'], stated({ namespace: 'x' })],
    ['POD_NAME', 'cart-1', stated({ name: 'cart-1' }), ['--name', 'x'], stated({ name: 'x' })],
    ['INSTANCE_IP', '10.0.0.1', stated({ ip: '10.0.0.1' }), ['--ip', '10.0.0.2'], stated({ ip: '10.0.0.2' })],
    ['SERVICE_ACCOUNT', 'cart', stated({ serviceAccount: 'cart' }), ['--service-account', 'x'], stated({ serviceAccount: 'x' })],
    ['OUTRIDER_LABELS', 'a=b', stated({ labels: { a: 'b' } }), ['--labels', 'c=d'], stated({ labels: { c: 'd' } })],
    ['EXIT_ON_ZERO_ACTIVE_CONNECTIONS', 'false', {}, ['--exit-on-zero-active-connections'], { exitWhenIdle: { minimumDrainMs: 5000 } }],
    ['MINIMUM_DRAIN_DURATION', '7s', {}, ['--exit-on-zero-active-connections', '--minimum-drain', '1s'], { exitWhenIdle: { minimumDrainMs: 1000 } }],
    ['CONCURRENCY', '3', { concurrency: 3 }, ['--concurrency', '2'], { concurrency: 2 }],
    ['OUTRIDER_INTERCEPTION', 'none', { interception: 'none' }, ['--interception', 'redirect'], { interception: 'redirect' }],
    ['ISTIO_META_INTERCEPTION_MODE', 'REDIRECT', { interception: 'redirect' }, ['--interception', 'auto'], {}],
  ];
  for (const [variable, value, fromEnv, argv, fromFlag] of rows) {
    const base = variable === 'OUTRIDER_CONFIG' ? [] : REQUIRED;
    t.same(parse(base, { [variable]: value }), { ...DEFAULTS, ...fromEnv }, variable);
    t.same(parse([...base, ...argv], { [variable]: value }), { ...DEFAULTS, ...fromFlag }, `${argv[0]} wins over ${variable}`);
    t.same(parse([...REQUIRED], { [variable]: '' }), DEFAULTS, `an empty ${variable} counts as absent`);
  }
  const tested = new Set(rows.map(([variable]) => variable));
  for (const { env } of RUN_FLAGS) t.ok(env === undefined || tested.has(env), `${env ?? 'no variable'} is in this table`);
  t.end();
});

t.test('variables of Istio\'s agent', (t) => {
  t.same(parse(REQUIRED, { EXIT_ON_ZERO_ACTIVE_CONNECTIONS: 'true', MINIMUM_DRAIN_DURATION: '7s' }), { ...DEFAULTS, exitWhenIdle: { minimumDrainMs: 7000 } });
  t.equal(parse(REQUIRED, { EXIT_ON_ZERO_ACTIVE_CONNECTIONS: 'yes' }), `EXIT_ON_ZERO_ACTIVE_CONNECTIONS: 'yes' is neither true nor false`);
  t.equal(parse(REQUIRED, { MINIMUM_DRAIN_DURATION: '7' }), `MINIMUM_DRAIN_DURATION: '7' has no unit, did you mean 7s?`);
  t.same(parse(REQUIRED, { ISTIO_KUBE_APP_PROBERS: '{"/app-health/a/livez":{"tcpSocket":{"port":80}}}' }), { ...DEFAULTS, appProbes: { '/app-health/a/livez': { kind: 'tcpSocket', port: 80, timeoutMs: 1000 } } });
  t.equal(parse(REQUIRED, { ISTIO_KUBE_APP_PROBERS: '[]' }), 'ISTIO_KUBE_APP_PROBERS: is not a JSON object');
  t.end();
});

t.test('labels from a downward-API file', (t) => {
  const env = { OUTRIDER_LABELS_FILE: '/podinfo/labels' };
  const labels = (text: string): Bootstrap | string => parse(REQUIRED, env, { '/podinfo/labels': text });
  t.same(labels('app="cart"\npod-template-hash="5b7"\n'), { ...DEFAULTS, ...stated({ labels: { app: 'cart', 'pod-template-hash': '5b7' } }) });
  t.same(labels('app="cart"\nversion=""'), { ...DEFAULTS, ...stated({ labels: { app: 'cart', version: '' } }) }, 'no newline at the end');
  t.same(labels('v="a\\x2db\\u002dc"\n'), { ...DEFAULTS, ...stated({ labels: { v: 'a-b-c' } }) }, 'escapes of strconv.Quote');
  t.same(labels(''), DEFAULTS, 'no labels');
  t.equal(labels('app="cart"\napp=cart\n'), `OUTRIDER_LABELS_FILE: /podinfo/labels:2: 'app=cart' is not KEY="VALUE"`);
  t.equal(labels('app="a"b"\n'), `OUTRIDER_LABELS_FILE: /podinfo/labels:1: 'app="a"b"' is not KEY="VALUE"`);
  t.equal(labels('app="a\\nb"\n'), `OUTRIDER_LABELS_FILE: /podinfo/labels:1: 'a\nb' is not a label value (of app)`);
  t.equal(parse(REQUIRED, env), `OUTRIDER_LABELS_FILE: cannot read '/podinfo/labels'`);
  t.same(parse([...REQUIRED, '--labels', 'a=b'], env), { ...DEFAULTS, ...stated({ labels: { a: 'b' } }) }, 'the flag wins, the file is not read');
  t.same(parse(REQUIRED, { ...env, OUTRIDER_LABELS: 'a=b' }), { ...DEFAULTS, ...stated({ labels: { a: 'b' } }) });
  t.end();
});

t.test('--workload is said alone', (t) => {
  const ambient = { POD_NAMESPACE: 'shop', POD_NAME: 'x', OUTRIDER_LABELS: 'a=b' };
  const workload = { identity: { kind: 'workload', namespace: 'shop', name: 'cart' } };
  t.same(parse([...REQUIRED, '--workload', 'shop/cart'], ambient), { ...DEFAULTS, ...workload }, 'the environment does not conflict');
  for (const [flag, value] of [['namespace', 'a'], ['name', 'a'], ['ip', '10.0.0.1'], ['service-account', 'a'], ['labels', 'a=b']]) {
    const message = `--workload and --${flag} exclude each other: the workload in the snapshot says it`;
    t.equal(parse([...REQUIRED, '--workload', 'shop/cart', `--${flag}`, value ?? '']), message);
  }
  t.end();
});

t.test('mistakes are named', (t) => {
  const rows: [argv: string[], message: string, env?: Environment][] = [
    [['--confg', 'x'], 'unknown option --confg, did you mean --config?'],
    [['--drain_time', '4s'], 'unknown option --drain_time, did you mean --drain-time?'],
    [['--zzzzzzzz'], 'unknown option --zzzzzzzz'],
    [['-x'], 'unknown option -x'],
    [['mesh2.yaml'], "unexpected argument 'mesh2.yaml', did you mean --config mesh2.yaml?"],
    [['--config', 'mesh.yaml'], "--config: 'mesh.yaml' is given twice"],
    [['--bind'], '--bind needs a value: --bind ADDR'],
    [['--bind', '--mode', 'gateway'], '--bind needs a value: --bind ADDR'],
    [['--bind='], '--bind needs a value: --bind ADDR'],
    [['--bind', 'localhost'], "--bind: 'localhost' is not an IP address"],
    [['--mode', 'proxy'], "--mode: 'proxy' is not one of sidecar, gateway"],
    [['--workload', 'cart'], "--workload: 'cart' is not NAMESPACE/NAME"],
    [['--workload', 'a/b/c'], "--workload: 'a/b/c' is not NAMESPACE/NAME"],
    [['--namespace', 'a b'], "--namespace: 'a b' is not a name (letters, digits, '-' and '.')"],
    [['--ip', '10.0.0.256'], "--ip: '10.0.0.256' is not an IP address"],
    [['--labels', 'app'], "--labels: 'app' is not KEY=VALUE"],
    [['--labels', 'app=a,,b=c'], "--labels: '' is not KEY=VALUE"],
    [['--labels', '=a'], "--labels: '=a' is not KEY=VALUE"],
    [['--labels', 'a=b,a=c'], "--labels: label 'a' is given twice"],
    [['--labels', '__proto__=x'], "--labels: '__proto__' is not a label key"],
    [['--labels', 'a=b c'], "--labels: 'b c' is not a label value (of a)"],
    [['--outbound-port', '65536'], "--outbound-port: '65536' is not a port (0-65535) or 'off'"],
    [['--admin-port', '-1'], '--admin-port needs a value: --admin-port PORT'],
    [['--admin-port=-1'], "--admin-port: '-1' is not a port (0-65535) or 'off'"],
    [['--admin-port', '8e3'], "--admin-port: '8e3' is not a port (0-65535) or 'off'"],
    [['--admin-port', '15001'], '--outbound-port and --admin-port are both 15001'],
    [['--map-port', '80'], "--map-port: '80' is not A=B with ports A (1-65535) and B (0-65535)"],
    [['--map-port', '0=80'], "--map-port: '0=80' is not A=B with ports A (1-65535) and B (0-65535)"],
    [['--map-port', '80=70000'], "--map-port: '80=70000' is not A=B with ports A (1-65535) and B (0-65535)"],
    [['--map-port', '80=1', '--map-port', '80=2'], '--map-port: port 80 is mapped twice'],
    [['--concurrency', '-2'], '--concurrency needs a value: --concurrency N'],
    [['--concurrency', '1.5'], "--concurrency: '1.5' is not a whole number from 0 to 1024"],
    [['--access-log-format', 'jsn'], "--access-log-format: 'jsn' is not text, json, or a format with %OPERATORS%"],
    [['--log-level', 'verbose'], "--log-level: 'verbose' is not one of trace, debug, info, warn, error, critical, off"],
    [['--drain-time', '45'], "--drain-time: '45' has no unit, did you mean 45s?"],
    [['--drain-time', '4 s'], "--drain-time: '4 s' is not a duration such as 45s, 1m30s or 250ms"],
    [['--drain-time', '700h'], "--drain-time: '700h' is longer than 24 days"],
    [['--interception', 'tproxy'], "--interception: 'tproxy' is not one of auto, redirect, none"],
    [[], "ISTIO_META_INTERCEPTION_MODE: 'TPROXY' is not supported, only REDIRECT and NONE", { ISTIO_META_INTERCEPTION_MODE: 'TPROXY' }],
    [[], "CONCURRENCY: 'many' is not a whole number from 0 to 1024", { CONCURRENCY: 'many' }],
    [[], "INSTANCE_IP: 'here' is not an IP address", { INSTANCE_IP: 'here' }],
  ];
  for (const [argv, message, env] of rows) t.equal(parse([...REQUIRED, ...argv], env), message, message);
  t.equal(parse([]), '--config PATH is required (or OUTRIDER_CONFIG)');
  t.equal(parse([], { OUTRIDER_CONFIG: ':' }), '--config PATH is required (or OUTRIDER_CONFIG)');
  t.end();
});
