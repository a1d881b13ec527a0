/** `outrider help` and `--help`: one text for each command. */

import type { FlagSpec } from './flags.ts';
import { INJECT_FLAGS } from './inject/flags.ts';
import { CAPTURE_FLAGS, ENVIRONMENT_ONLY, type CaptureFlag } from '../../iptables/options.ts';
import { ACTION_FLAGS } from './iptables-flags.ts';
import { CERTS_FLAGS } from './certs-flags.ts';
import { RUN_FLAGS, type RunFlag } from './options.ts';
import { WAIT_FLAGS } from './wait.ts';

interface CommandHelp {
  readonly summary: string;
  /** What follows the command's name, one line for each form. */
  readonly usage: readonly string[];
  readonly description: string;
  readonly options: readonly (readonly [flag: string, meaning: string])[];
}

const HELP_FLAG: CommandHelp['options'] = [['--help', 'print this text']];

/** Options that explain shares with run. */
const EXPLAINED = new Set(['config', 'mode', 'workload', 'namespace', 'name', 'ip', 'labels', 'cluster-domain', 'root-namespace', 'map-port']);

const HELP: Readonly<Record<string, CommandHelp>> = {
  run: {
    summary: 'start the proxy',
    usage: ['--config PATH [options]'],
    description:
      'Serves the snapshot of Istio and Kubernetes resources in PATH for one workload. On ready it prints "outrider ready" and a JSON\n' +
      'object with the ports. SIGTERM and SIGINT drain (again: stop at once), SIGHUP reloads, SIGUSR2 reopens the access log.\n' +
      'A bad snapshot at start is refused (exit 1); a bad one later is reported and the last good one keeps serving.',
    options: [...RUN_FLAGS.map(runOption), ...HELP_FLAG],
  },
  validate: {
    summary: 'check a snapshot',
    usage: ['PATH... [--json]'],
    description:
      'Loads, validates and compiles as run would for every namespace. Prints one problem a line as\n' +
      '"file:line:column: Kind namespace/name: path: message [code]" and last "N errors, N warnings". Exit 1 when there is any error.',
    options: [['--json', 'problems as JSON'], ...HELP_FLAG],
  },
  explain: {
    summary: 'print the decision for a request without sending it',
    usage: ["--config PATH [--workload NAMESPACE/NAME | --namespace NAME --labels a=b] METHOD URL [-H 'name: value']... [--json]"],
    description:
      'Shows listener, virtual host, each route tried and what failed, the route chosen with its file and line, destinations,\n' +
      'endpoints, and every policy with where it came from. At a gateway an https URL shows the filter chain of its host and where\n' +
      'the certificate is from, and tcp://HOST:PORT what becomes of a connection. Exit 0 when a decision was reached, a 404 included.',
    options: [
      ["-H, --header 'name: value'", 'request header, repeatable'],
      ['--json', 'one JSON object'],
      ...RUN_FLAGS.filter(({ name }) => EXPLAINED.has(name)).map(runOption),
      ...HELP_FLAG,
    ],
  },
  test: { summary: 'run routing tests against a snapshot', usage: ['FILE...'], description: 'Comes with a later version.', options: HELP_FLAG },
  iptables: {
    summary: 'print, apply or clean traffic interception',
    usage: ['[--print | --apply | --clean] [options]'],
    description:
      "Makes istio-iptables' rules: connections of the application go to the proxy, the proxy's own do not. Without options nothing is\n" +
      "captured; a sidecar's init container gets -b '*' -i '*' -d 15090,15021,15020. Again with the same options changes nothing; rules of\n" +
      'others stay. --print writes what --apply would feed to iptables-restore, and needs no privilege; without an action: --apply.',
    options: [
      ...ACTION_FLAGS.map(({ name, short, help, env }): readonly [string, string] => [short === undefined ? `--${name}` : `-${short}, --${name}`, env === undefined ? help : `${help} (${env})`]),
      ...CAPTURE_FLAGS.map(captureOption),
      ...ENVIRONMENT_ONLY.map(([variable, help]): readonly [string, string] => [variable, help]),
      ...HELP_FLAG,
    ],
  },
  inject: {
    summary: 'add the sidecar to pod specs',
    usage: ['-f FILE... [--image IMAGE] [options]'],
    description:
      'Prints the manifests with the proxy, its init container and volumes in every pod template, as istioctl kube-inject does, and\n' +
      "the application's probes rewritten. Istio's annotations of a pod are honoured; what has no effect is named on standard error.\n" +
      'Other documents, hostNetwork pods and pods that have a sidecar are left as they are.',
    options: [...INJECT_FLAGS.map(plainOption), ...HELP_FLAG],
  },
  wait: {
    summary: 'end when the proxy beside it is ready',
    usage: ['[options]'],
    description: 'For a hook that holds an application back. Exit 0 once /healthz/ready answers 200, 1 when it does not in time.',
    options: [...WAIT_FLAGS.map(plainOption), ...HELP_FLAG],
  },
  certs: {
    summary: 'make a local mesh CA and workload certificates',
    usage: ['--out DIR [options] IDENTITY...'],
    description:
      'Writes a root (root-cert.pem, root-key.pem; used again by a later call) and a folder with cert-chain.pem, key.pem and root-cert.pem\n' +
      'for each identity, as "run --certs" reads them: DIR/NAMESPACE/ACCOUNT for a workload (NAMESPACE/ACCOUNT or spiffe://DOMAIN/ns/NAMESPACE/sa/ACCOUNT),\n' +
      'DIR/NAME for a gateway (dns:NAME[,NAME...], IP addresses included). A proxy that runs takes a new pair up without losing a connection.',
    options: [...CERTS_FLAGS.map(({ name, value, help }) => [value === undefined ? `--${name}` : `--${name} ${value}`, help] as const), ...HELP_FLAG],
  },
  demo: {
    summary: "run Istio's bookinfo as a small mesh on localhost",
    usage: ['[options]'],
    description: 'Real proxies and small built-in services; prints the URLs to try and the file to edit.',
    options: [['--config DIR', 'a copy of the example to run instead'], ...HELP_FLAG],
  },
  version: { summary: 'print the version', usage: ['[--json]'], description: 'Prints the version of outrider and of Node.', options: [['--json', 'one JSON object'], ...HELP_FLAG] },
  help: { summary: 'print help', usage: ['[COMMAND]'], description: 'Prints this list, or the help of one command.', options: HELP_FLAG },
};

export function isCommand(name: string): boolean {
  return Object.hasOwn(HELP, name);
}

export const COMMAND_NAMES: readonly string[] = Object.keys(HELP);

/** The list of commands. */
export function renderOverview(): string {
  const commands = Object.entries(HELP).map(([name, { summary }]) => [name, summary] as const);
  return [
    'outrider: a service-mesh proxy for Istio resources',
    '',
    'Usage: outrider COMMAND [options]',
    '',
    ...columns(commands),
    '',
    'outrider COMMAND --help prints the options of a command.',
    'Exit code: 0 success, 1 the input is wrong or the check failed, 2 the command was called wrongly.',
    '',
  ].join('\n');
}

/** Text of `outrider COMMAND --help`; the overview for an unknown command. */
export function renderHelp(command: string): string {
  const help = isCommand(command) ? HELP[command] : undefined;
  if (help === undefined) return renderOverview();
  const usage = help.usage.map((form) => `Usage: outrider ${command} ${form}`);
  return [...usage, '', help.description, '', ...columns(help.options), ''].join('\n');
}

function runOption({ name, value, env, default: fallback, help }: RunFlag): readonly [string, string] {
  const notes = [env, fallback === undefined ? undefined : `default ${fallback}`].filter((note) => note !== undefined);
  const flag = value === undefined ? `--${name}` : `--${name} ${value}`;
  return [flag, notes.length === 0 ? help : `${help} (${notes.join(', ')})`];
}

/** Flags of the commands that read no environment. */
function plainOption({ name, short, value, default: fallback, help }: FlagSpec & { readonly help: string; readonly default?: string }): readonly [string, string] {
  const flag = `${short === undefined ? '' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`;
  return [flag, fallback === undefined ? help : `${help} (default ${fallback})`];
}

function captureOption({ name, short, value, env, default: fallback, help }: CaptureFlag): readonly [string, string] {
  const notes = [...env, ...(fallback === undefined ? [] : [`default ${fallback}`])];
  const flag = `${short === undefined ? '' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`;
  return [flag, notes.length === 0 ? help : `${help} (${notes.join(', ')})`];
}

function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.min(34, Math.max(...rows.map(([left]) => left.length)) + 2);
  return rows.map(([left, right]) => (left.length >= width ? `  ${left}\n  ${' '.repeat(width)}${right}` : `  ${left.padEnd(width)}${right}`));
}
