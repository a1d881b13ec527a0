/** `outrider iptables`: prints, applies or cleans the rules that bring an application's connections to the proxy. */

import { applyCapture, cleanCapture, type Outcome } from '../../iptables/apply.ts';
import { DNS_CAPTURE_PORT } from '../../iptables/constants.ts';
import { detectHost } from '../../iptables/detect.ts';
import { CAPTURE_FLAGS, parseCaptureOptions, type CaptureOptions, type HostFacts } from '../../iptables/options.ts';
import { renderFamilies } from '../../iptables/render.ts';
import { captureRules } from '../../iptables/rules.ts';
import { parseBoolean } from '../../iptables/values.ts';
import type { CommandContext, ExitCode } from './command.ts';
import { parseFlags, usageError, type FlagSpec, type UsageError } from './flags.ts';
import { ACTION_FLAGS, REFUSED_FLAGS } from './iptables-flags.ts';
import type { Environment } from './options.ts';

type Action = 'print' | 'apply' | 'clean';

/** What was asked for. */
export interface Order {
  readonly ok: true;
  readonly action: Action;
  readonly options: CaptureOptions;
  /** DNS capture was asked for, but there is no server whose DNS could be captured. */
  readonly dnsIsOff: boolean;
}

const FLAGS: readonly FlagSpec[] = [...ACTION_FLAGS, ...CAPTURE_FLAGS].map((flag) => ({
  name: flag.name,
  ...(flag.short === undefined ? {} : { short: flag.short }),
  ...('value' in flag && flag.value !== undefined ? { value: flag.value } : {}),
  asInGo: true,
}));

/** Exit 2 for options that cannot be meant, 1 where the machine refuses. */
export async function runIptables(argv: readonly string[], { env, stdout, stderr }: CommandContext): Promise<ExitCode> {
  const order = parseOrder(argv, env, detectHost);
  if (!order.ok) {
    stderr(`outrider iptables: ${order.message}\n`);
    return 2;
  }
  const say = (text: string): void => stderr(`outrider iptables: ${text}\n`);
  if (order.dnsIsOff) say('warning: --redirect-dns: there is no name server in resolv.conf; DNS is not captured (or give --capture-all-dns)');
  for (const warning of order.action === 'clean' ? [] : warningsAbout(order.options)) say(`warning: ${warning}`);
  if (order.action === 'print') {
    stdout(renderPrint(order.options));
    return 0;
  }
  const outcome = order.action === 'apply' ? applyCapture(order.options) : cleanCapture(order.options);
  report(outcome, say);
  return outcome.ok ? 0 : 1;
}

/** What `--print` writes. */
export function renderPrint(options: CaptureOptions): string {
  return renderFamilies(captureRules(options, 'v4'), options.ipv6 ? captureRules(options, 'v6') : undefined);
}

function report(outcome: Outcome, say: (text: string) => void): void {
  for (const line of outcome.ok ? outcome.notes : [outcome.message]) say(line);
}

/** `detect` gives the facts of the machine, once the words are understood; it is given the name of the proxy's user. */
export function parseOrder(argv: readonly string[], env: Environment, detect: (user: string) => HostFacts): Order | UsageError {
  const refused = argv.map((word) => /^--([a-z-]+)/.exec(word)?.[1] ?? '').find((name) => Object.hasOwn(REFUSED_FLAGS, name));
  if (refused !== undefined) return usageError(`--${refused} is not supported: ${REFUSED_FLAGS[refused] ?? ''}`);
  const flags = parseFlags(argv, FLAGS);
  if (!flags.ok) return flags;
  const word = flags.positionals[0];
  if (word !== undefined) return usageError(`unexpected argument '${word}'`);
  const given = new Map([...flags.values].map(([name, values]) => [name, values.at(-1) ?? '']));
  const action = parseAction(given, env);
  if (typeof action !== 'string') return action;
  const options = parseCaptureOptions(given, env, detect(env['ENVOY_USER'] || 'istio-proxy'));
  if (!options.ok) return usageError(options.message);
  const asked = given.get('redirect-dns') ?? (env['REDIRECT_DNS'] || env['ISTIO_META_DNS_CAPTURE'] || 'false');
  return { ok: true, action, options: options.value, dnsIsOff: options.value.dns === 'off' && isOn(asked) };
}

/** `--dry-run` prints whatever else is said: nothing may be touched. Without an action it is apply, as with istio-iptables. */
function parseAction(given: ReadonlyMap<string, string>, env: Environment): Action | UsageError {
  const on = new Set<string>();
  for (const { name, env: variable } of ACTION_FLAGS) {
    const text = given.get(name) ?? ((variable === undefined ? '' : env[variable]) || (name === 'restore-format' ? 'true' : 'false'));
    const parsed = parseBoolean(text);
    if (!parsed.ok) return usageError(`${given.has(name) ? `--${name}` : variable ?? name}: ${parsed.message}`);
    if (parsed.value) on.add(name);
  }
  if (!on.has('restore-format')) return usageError('--restore-format=false is not supported: the rules are one transaction of iptables-restore');
  const actions = ['print', 'apply', 'clean'].filter((name) => on.has(name) || (name === 'clean' && on.has('cleanup-only')));
  if (actions.length > 1) return usageError(`${actions.map((name) => `--${name}`).join(' and ')} exclude each other`);
  if (on.has('dry-run')) return actions[0] === 'clean' ? usageError('--dry-run cannot tell what --clean would remove: what is there has to be read') : 'print';
  return on.has('print') ? 'print' : actions[0] === 'clean' ? 'clean' : 'apply';
}

function warningsAbout({ mode, dns }: CaptureOptions): readonly string[] {
  const warnings: string[] = [];
  if (mode === 'TPROXY') warnings.push('TPROXY needs a proxy with transparent sockets (IP_TRANSPARENT), which those of outrider run are not; use REDIRECT with it');
  if (dns !== 'off') warnings.push(`DNS goes to port ${DNS_CAPTURE_PORT}, where outrider run does not answer: something else must`);
  return warnings;
}

function isOn(text: string): boolean {
  const parsed = parseBoolean(text);
  return parsed.ok && parsed.value;
}
