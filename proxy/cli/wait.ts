/** `outrider wait`: ends when the proxy on this machine serves; the hook that holds an application back until then. */

import { once } from 'node:events';
import { get } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import { HEALTH_PORT } from '../../iptables/constants.ts';
import { systemClock } from '../base/clock.ts';
import type { CommandContext, ExitCode } from './command.ts';
import { parseFlags, usageError, type FlagSpec, type UsageError } from './flags.ts';
import { parseDuration, parseInteger } from './values.ts';

export interface WaitFlag extends FlagSpec {
  readonly help: string;
  readonly default: string;
}

/** Every flag of `wait`, in the order that help prints them. */
export const WAIT_FLAGS: readonly WaitFlag[] = [
  { name: 'health-port', value: 'PORT', help: "the proxy's health port", default: String(HEALTH_PORT) },
  { name: 'timeout', value: 'DURATION', help: 'exit 1 when the proxy is not ready by then', default: '60s' },
];

const ASK_EVERY_MS = 200;
/** A proxy that takes the connection and says nothing is asked again after this. */
const ANSWER_WITHIN_MS = 1000;

/** Exit 0 once `/healthz/ready` answers 200, 1 when it does not in time. */
export async function runWait(argv: readonly string[], { stderr }: CommandContext): Promise<ExitCode> {
  const request = readRequest(argv);
  if ('message' in request) {
    stderr(`outrider wait: ${request.message}\nTry "outrider wait --help".\n`);
    return 2;
  }
  const deadline = systemClock.now() + request.timeoutMs;
  for (;;) {
    const answer = await ask(request.port);
    if (answer === 200) return 0;
    if (systemClock.now() >= deadline) {
      stderr(`outrider wait: the proxy is not ready after ${request.timeoutMs / 1000} s: port ${request.port} says ${answer}\n`);
      return 1;
    }
    // The system clock's timers would let the process end meanwhile.
    await setTimeout(ASK_EVERY_MS);
  }
}

function readRequest(argv: readonly string[]): { readonly port: number; readonly timeoutMs: number } | UsageError {
  const flags = parseFlags(argv, WAIT_FLAGS);
  if (!flags.ok) return flags;
  const [word] = flags.positionals;
  if (word !== undefined) return usageError(`unexpected argument '${word}'`);
  const given = (name: string): string => flags.values.get(name)?.at(-1) ?? WAIT_FLAGS.find((flag) => flag.name === name)?.default ?? '';
  const port = parseInteger(1, 65_535)(given('health-port'));
  if (!port.ok) return usageError(`--health-port: ${port.message}`);
  const timeout = parseDuration(given('timeout'));
  return timeout.ok ? { port: port.value, timeoutMs: timeout.value } : usageError(`--timeout: ${timeout.message}`);
}

/** Status of the answer, or why there is none. */
async function ask(port: number): Promise<number | string> {
  const request = get({ host: '127.0.0.1', port, path: '/healthz/ready', agent: false, timeout: ANSWER_WITHIN_MS });
  request.on('timeout', () => request.destroy(new Error('nothing')));
  try {
    const [response] = (await once(request, 'response')) as [{ statusCode?: number; resume(): void }];
    response.resume();
    return response.statusCode ?? 0;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
