/** Flags and environment of `outrider run` to one typed Bootstrap: flag, then environment, then default. */

import { isIP } from 'node:net';
import { ADMIN_PORT, HEALTH_PORT, INBOUND_CAPTURE_PORT, METRICS_PORT, OUTBOUND_CAPTURE_PORT } from '../../iptables/constants.ts';
import { parseAppProbes, type AppProbes } from '../admin/app-probe/probes.ts';
import type { InterceptionMode } from '../listener/interception.ts';
import { parseFlags, usageError, type FlagSpec, type GivenFlags, type UsageError } from './flags.ts';
import { parseBoolean, parseDownwardLabels, parseDuration, parseInteger, parseLabels, parseName, parseOneOf, type ParsedValue } from './values.ts';

const INTERCEPTION_MODES: readonly InterceptionMode[] = ['auto', 'redirect', 'none'];

/** How this proxy was asked to run; plain data, so that it can be sent to worker processes and threads. */
export interface Bootstrap {
  /** Snapshot paths in the order given, at least one; `-` is standard input. */
  readonly config: readonly string[];
  readonly mode: 'sidecar' | 'gateway';
  readonly identity: WorkloadReference | StatedIdentity;
  readonly clusterDomain: string;
  readonly trustDomain: string;
  readonly rootNamespace: string;
  /** IP address of the capture listeners, and of the health and metrics servers. */
  readonly bind: string;
  /** No address was given, and the machine has some of both families. */
  readonly bothFamilies?: true;
  readonly ports: PortPlan;
  /** A Gateway's or Sidecar's declared port to the port bound in its place; 0 picks a free one. */
  readonly portMap: Readonly<Record<number, number>>;
  /** Worker processes; 0 asks for one per core, as Istio's `concurrency: 0` does. */
  readonly concurrency: number;
  /** Folder of workload certificates. */
  readonly certs?: string;
  readonly accessLog: {
    /** `-` standard output, `off`, or a file; absent: the mesh configuration decides, else standard output. */
    readonly path?: string;
    /** `text`, `json`, or a format with %OPERATORS%; absent: the mesh configuration decides, else Istio's text format. */
    readonly format?: string;
  };
  readonly logLevel: LogLevel;
  /** Whether iptables rules redirect to the capture ports: found out, known, or known not to. */
  readonly interception: InterceptionMode;
  /** How long in-flight work may go on after SIGTERM, milliseconds. */
  readonly drainTimeMs: number;
  /** Present: after SIGTERM it goes on accepting for so long, then until nobody is connected any more, at most drainTimeMs. */
  readonly exitWhenIdle?: { readonly minimumDrainMs: number };
  /** Probes of the application that the health port answers. */
  readonly appProbes?: AppProbes;
  readonly readyFile?: string;
  /** The thread that compiles stays between reloads although the snapshot is small. */
  readonly keepCompiler?: true;
}

/** A Pod or WorkloadEntry of the snapshot that says who this proxy is. */
export interface WorkloadReference {
  readonly kind: 'workload';
  readonly namespace: string;
  readonly name: string;
}

/** Identity given outright; what is absent is the machine's own (host name, first address). */
export interface StatedIdentity {
  readonly kind: 'stated';
  readonly namespace: string;
  readonly name?: string;
  readonly ip?: string;
  readonly serviceAccount: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** 0 picks a free port, `off` disables. */
export type PortChoice = number | 'off';
export type PortPlan = Readonly<Record<'outbound' | 'inbound' | 'admin' | 'health' | 'metrics', PortChoice>>;

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'critical', 'off'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export type Environment = Readonly<Record<string, string | undefined>>;
/** Text of a file, or undefined where it cannot be read. */
export type ReadText = (path: string) => string | undefined;

/** A flag of `run` with its line of help; `env` is read where the flag is absent. */
export interface RunFlag extends FlagSpec {
  readonly env?: string;
  readonly help: string;
  readonly default?: string;
}

const IDENTITY_FLAGS = ['namespace', 'name', 'ip', 'service-account', 'labels'] as const;

/** Every flag of `run`, in the order that help prints them. */
export const RUN_FLAGS: readonly RunFlag[] = [
  { name: 'config', value: 'PATH', env: 'OUTRIDER_CONFIG', help: 'snapshot: a YAML or JSON file or a folder of them, repeatable, - for standard input; watched and reloaded (the variable holds a list with ":" between)' },
  { name: 'mode', value: 'sidecar|gateway', default: 'sidecar', help: 'inbound and outbound listeners, or the servers of matching Gateways' },
  { name: 'workload', value: 'NAMESPACE/NAME', help: 'be the Pod or WorkloadEntry of that name in the snapshot' },
  { name: 'namespace', value: 'NAME', env: 'POD_NAMESPACE', default: 'default', help: 'namespace of this workload' },
  { name: 'name', value: 'NAME', env: 'POD_NAME', default: 'host name', help: 'name of this workload' },
  { name: 'ip', value: 'ADDR', env: 'INSTANCE_IP', default: '127.0.0.1', help: 'address of this workload' },
  { name: 'service-account', value: 'NAME', env: 'SERVICE_ACCOUNT', default: 'default', help: 'service account of this workload' },
  { name: 'labels', value: 'a=b,c=d', env: 'OUTRIDER_LABELS', help: 'labels of this workload (or OUTRIDER_LABELS_FILE, in the downward-API format)' },
  { name: 'cluster-domain', value: 'DOMAIN', default: 'cluster.local', help: 'DNS suffix of services' },
  { name: 'trust-domain', value: 'DOMAIN', default: 'cluster.local', help: 'trust domain of identities' },
  { name: 'root-namespace', value: 'NAME', default: 'istio-system', help: 'namespace of mesh-wide resources' },
  { name: 'bind', value: 'ADDR', default: '0.0.0.0', help: 'address of the capture listeners, health and metrics; without it :: as well, where this machine has an IPv6 address' },
  { name: 'outbound-port', value: 'PORT', default: String(OUTBOUND_CAPTURE_PORT), help: 'outbound capture; 0 picks a free port, off disables' },
  { name: 'inbound-port', value: 'PORT', default: String(INBOUND_CAPTURE_PORT), help: 'inbound capture' },
  { name: 'admin-port', value: 'PORT', default: String(ADMIN_PORT), help: 'admin, loopback only' },
  { name: 'health-port', value: 'PORT', default: String(HEALTH_PORT), help: '/healthz/ready' },
  { name: 'metrics-port', value: 'PORT', default: String(METRICS_PORT), help: '/stats/prometheus' },
  { name: 'map-port', value: 'A=B', help: 'bind port A of a Gateway or Sidecar as B; repeatable' },
  { name: 'concurrency', value: 'N', env: 'CONCURRENCY', default: '1', help: 'worker processes; 0 is one per core' },
  { name: 'certs', value: 'DIR', help: 'workload identity: cert-chain.pem, key.pem, root-cert.pem' },
  { name: 'interception', value: INTERCEPTION_MODES.join('|'), env: 'OUTRIDER_INTERCEPTION', default: 'auto', help: 'whether iptables redirects to the capture ports; auto finds out, redirect refuses direct connections to them, none never asks (ISTIO_META_INTERCEPTION_MODE=REDIRECT|NONE is understood)' },
  { name: 'access-log', value: 'PATH|-|off', default: '-', help: 'where access log lines go' },
  { name: 'access-log-format', value: 'FORMAT', default: 'text', help: 'text (Istio\'s), json, or a format with %OPERATORS%' },
  { name: 'log-level', value: LOG_LEVELS.join('|'), default: 'info', help: 'least level of the process log, on standard error' },
  { name: 'drain-time', value: 'DURATION', default: '45s', help: 'how long requests in flight may go on after SIGTERM' },
  { name: 'exit-on-zero-active-connections', env: 'EXIT_ON_ZERO_ACTIVE_CONNECTIONS', help: 'after SIGTERM go on accepting until nobody is connected: the application that ends at the same time may still need the proxy' },
  { name: 'minimum-drain', value: 'DURATION', env: 'MINIMUM_DRAIN_DURATION', default: '5s', help: 'least time of that' },
  { name: 'ready-file', value: 'PATH', help: 'written once serving, and when a reload binds or frees a port' },
  { name: 'keep-compiler', help: 'keep the thread that compiles (about 30 MB), so that the first reload is as quick as the next' },
];

/** `argv` is what follows `run`. */
export function parseRunOptions(argv: readonly string[], env: Environment, readText: ReadText, hasIPv6 = false): Bootstrap | UsageError {
  const flags = parseFlags(argv, RUN_FLAGS);
  if (!flags.ok) return flags;
  const word = flags.positionals[0];
  if (word !== undefined) return usageError(`unexpected argument '${word}', did you mean --config ${word}?`);
  const reader = new OptionReader(flags, env);
  const bootstrap = readBootstrap(reader, env, { readText, hasIPv6 });
  return reader.error === undefined ? bootstrap : usageError(reader.error);
}

export function isUsageError(value: Bootstrap | UsageError): value is UsageError {
  return 'ok' in value;
}

interface Machine {
  readonly readText: ReadText;
  /** It has an IPv6 address that others may use. */
  readonly hasIPv6: boolean;
}

function readBootstrap(reader: OptionReader, env: Environment, { readText, hasIPv6 }: Machine): Bootstrap {
  const certs = reader.text('certs');
  const readyFile = reader.text('ready-file');
  const bootstrap: Bootstrap = {
    config: readConfigPaths(reader, env),
    mode: reader.parsed('mode', 'sidecar', parseOneOf(['sidecar', 'gateway'])),
    identity: readIdentity(reader, env, readText),
    clusterDomain: reader.parsed('cluster-domain', 'cluster.local', parseName),
    trustDomain: reader.parsed('trust-domain', 'cluster.local', parseName),
    rootNamespace: reader.parsed('root-namespace', 'istio-system', parseName),
    bind: reader.parsed('bind', '0.0.0.0', parseAddress),
    ...(hasIPv6 && reader.given('bind') === undefined && { bothFamilies: true as const }),
    ports: readPorts(reader),
    portMap: readPortMap(reader),
    concurrency: reader.parsed('concurrency', 1, parseInteger(0, 1024)),
    ...(certs === undefined ? {} : { certs }),
    accessLog: readAccessLog(reader),
    logLevel: reader.parsed('log-level', 'info', parseLogLevel),
    interception: reader.parsed('interception', readIstioInterception(reader, env), parseOneOf(INTERCEPTION_MODES)),
    drainTimeMs: reader.parsed('drain-time', 45_000, parseDuration),
    ...readExitWhenIdle(reader),
    ...readAppProbes(reader, env),
    ...(readyFile === undefined ? {} : { readyFile }),
    ...(reader.given('keep-compiler') === undefined ? {} : { keepCompiler: true as const }),
  };
  return bootstrap;
}

function readConfigPaths(reader: OptionReader, env: Environment): readonly string[] {
  const given = reader.all('config');
  const paths = given.length > 0 ? given : (env['OUTRIDER_CONFIG'] ?? '').split(':').filter((path) => path !== '');
  if (paths.length === 0) reader.fail('--config PATH is required (or OUTRIDER_CONFIG)');
  const twice = paths.find((path, index) => paths.indexOf(path) !== index);
  if (twice !== undefined) reader.fail(`--config: '${twice}' is given twice`);
  return paths;
}

function readIdentity(reader: OptionReader, env: Environment, readText: ReadText): WorkloadReference | StatedIdentity {
  const workload = reader.given('workload');
  if (workload === undefined) return readStatedIdentity(reader, env, readText);
  // Environment variables are ambient (every pod has POD_NAME), so only flags conflict.
  const conflict = IDENTITY_FLAGS.find((name) => reader.given(name) !== undefined);
  if (conflict !== undefined) reader.fail(`--workload and --${conflict} exclude each other: the workload in the snapshot says it`);
  const [namespace = '', name = '', ...rest] = workload.split('/');
  const valid = namespace !== '' && name !== '' && rest.length === 0;
  if (!valid) reader.fail(`--workload: '${workload}' is not NAMESPACE/NAME`);
  return { kind: 'workload', namespace, name };
}

function readStatedIdentity(reader: OptionReader, env: Environment, readText: ReadText): StatedIdentity {
  const name = reader.parsed('name', undefined, parseName);
  const ip = reader.parsed('ip', undefined, parseAddress);
  return {
    kind: 'stated',
    namespace: reader.parsed('namespace', 'default', parseName),
    ...(name === undefined ? {} : { name }),
    ...(ip === undefined ? {} : { ip }),
    serviceAccount: reader.parsed('service-account', 'default', parseName),
    labels: reader.parsed('labels', undefined, parseLabels) ?? readLabelsFile(reader, env, readText),
  };
}

function readLabelsFile(reader: OptionReader, env: Environment, readText: ReadText): Readonly<Record<string, string>> {
  const path = env['OUTRIDER_LABELS_FILE'];
  if (path === undefined || path === '') return {};
  const text = readText(path);
  if (text === undefined) {
    reader.fail(`OUTRIDER_LABELS_FILE: cannot read '${path}'`);
    return {};
  }
  const parsed = parseDownwardLabels(text);
  if (parsed.ok) return parsed.value;
  reader.fail(`OUTRIDER_LABELS_FILE: ${path}:${parsed.message}`);
  return {};
}

/** On by default where injection put the proxy beside an application (config/inject/template.ts). */
function readExitWhenIdle(reader: OptionReader): Pick<Bootstrap, 'exitWhenIdle'> {
  const wanted = reader.parsed('exit-on-zero-active-connections', false, parseBoolean);
  const minimumDrainMs = reader.parsed('minimum-drain', 5000, parseDuration);
  return wanted ? { exitWhenIdle: { minimumDrainMs } } : {};
}

function readAppProbes(reader: OptionReader, env: Environment): Pick<Bootstrap, 'appProbes'> {
  const text = env['ISTIO_KUBE_APP_PROBERS'];
  if (text === undefined || text === '') return {};
  const parsed = parseAppProbes(text);
  if (parsed.ok) return { appProbes: parsed.value };
  reader.fail(`ISTIO_KUBE_APP_PROBERS: ${parsed.message}`);
  return {};
}

function readPorts(reader: OptionReader): PortPlan {
  const ports: PortPlan = {
    outbound: reader.parsed('outbound-port', OUTBOUND_CAPTURE_PORT, parsePort),
    inbound: reader.parsed('inbound-port', INBOUND_CAPTURE_PORT, parsePort),
    admin: reader.parsed('admin-port', ADMIN_PORT, parsePort),
    health: reader.parsed('health-port', HEALTH_PORT, parsePort),
    metrics: reader.parsed('metrics-port', METRICS_PORT, parsePort),
  };
  const owners = new Map<number, string>();
  for (const [name, port] of Object.entries(ports)) {
    if (port === 'off' || port === 0) continue;
    const owner = owners.get(port);
    if (owner !== undefined) reader.fail(`--${owner}-port and --${name}-port are both ${port}`);
    owners.set(port, name);
  }
  return ports;
}

function readPortMap(reader: OptionReader): Readonly<Record<number, number>> {
  const map: Record<number, number> = {};
  for (const pair of reader.all('map-port')) {
    const [, declared = '', bound = ''] = /^(\d{1,5})=(\d{1,5})$/.exec(pair) ?? [];
    const from = Number(declared);
    const to = Number(bound);
    const valid = declared !== '' && from >= 1 && from <= 65_535 && to <= 65_535;
    if (!valid) reader.fail(`--map-port: '${pair}' is not A=B with ports A (1-65535) and B (0-65535)`);
    if (Object.hasOwn(map, from)) reader.fail(`--map-port: port ${from} is mapped twice`);
    map[from] = to;
  }
  return map;
}

/** What Istio's injector sets on its sidecars. */
function readIstioInterception(reader: OptionReader, env: Environment): InterceptionMode {
  const mode = env['ISTIO_META_INTERCEPTION_MODE'] ?? '';
  if (mode === 'REDIRECT' || mode === 'NONE') return mode === 'NONE' ? 'none' : 'redirect';
  if (mode !== '') reader.fail(`ISTIO_META_INTERCEPTION_MODE: '${mode}' is not supported, only REDIRECT and NONE`);
  return 'auto';
}

function readAccessLog(reader: OptionReader): Bootstrap['accessLog'] {
  const path = reader.text('access-log');
  const format = reader.parsed('access-log-format', undefined, parseLogFormat);
  return { ...(path === undefined ? {} : { path }), ...(format === undefined ? {} : { format }) };
}

function parseAddress(text: string): ParsedValue<string> {
  return isIP(text) === 0 ? { ok: false, message: `'${text}' is not an IP address` } : { ok: true, value: text };
}

function parsePort(text: string): ParsedValue<PortChoice> {
  if (text === 'off') return { ok: true, value: 'off' };
  const port = parseInteger(0, 65_535)(text);
  return port.ok ? port : { ok: false, message: `'${text}' is not a port (0-65535) or 'off'` };
}

function parseLogLevel(text: string): ParsedValue<LogLevel> {
  // Envoy prints `warning`, Istio's agent takes `warn`: both are meant.
  return parseOneOf(LOG_LEVELS)(text === 'warning' ? 'warn' : text);
}

function parseLogFormat(text: string): ParsedValue<string> {
  const known = text === 'text' || text === 'json' || text.includes('%');
  return known ? { ok: true, value: text } : { ok: false, message: `'${text}' is not text, json, or a format with %OPERATORS%` };
}

/** Looks a value up by flag, then environment, and keeps the first mistake with the name that the user wrote. */
class OptionReader {
  error: string | undefined;
  readonly #flags: GivenFlags;
  readonly #env: Environment;

  constructor(flags: GivenFlags, env: Environment) {
    this.#flags = flags;
    this.#env = env;
  }

  fail(message: string): void {
    this.error ??= message;
  }

  /** The flag's last value, environment not considered. */
  given(name: string): string | undefined {
    return this.#flags.values.get(name)?.at(-1);
  }

  all(name: string): readonly string[] {
    return this.#flags.values.get(name) ?? [];
  }

  text(name: string): string | undefined {
    return this.#lookUp(name)?.text;
  }

  parsed<T, D>(name: string, fallback: D, parse: (text: string) => ParsedValue<T>): T | D {
    const found = this.#lookUp(name);
    if (found === undefined) return fallback;
    const parsed = parse(found.text);
    if (parsed.ok) return parsed.value;
    this.fail(`${found.written}: ${parsed.message}`);
    return fallback;
  }

  #lookUp(name: string): { readonly text: string; readonly written: string } | undefined {
    const flag = this.given(name);
    if (flag !== undefined) return { text: flag, written: `--${name}` };
    const variable = RUN_FLAGS.find((candidate) => candidate.name === name)?.env;
    const text = variable === undefined ? undefined : this.#env[variable];
    // Kubernetes sets a variable from an absent field to the empty string.
    return variable === undefined || text === undefined || text === '' ? undefined : { text, written: variable };
  }
}
