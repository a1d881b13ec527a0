/** `outrider demo`: Istio's bookinfo as a small mesh of real proxies on localhost. */

import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ConfigNews } from '../demo/config-news.ts';
import { DemoMesh, WANTED_PORTS, WRITTEN_PORTS } from '../demo/demo-mesh.ts';
import type { RunningProxy } from '../demo/demo-mesh.ts';
import { renderGuide } from '../demo/guide.ts';
import { GATEWAY_PORT } from '../demo/mesh.ts';
import { choosePorts, copyWithPorts } from '../demo/ports.ts';
import type { PortChoices } from '../demo/ports.ts';
import type { CommandContext, ExitCode } from './command.ts';
import { parseFlags } from './flags.ts';

/** The file of the example that a visitor is asked to edit. */
const EDITED_FILE = 'reviews.yaml';
const EXAMPLE = fileURLToPath(new URL('../../../config/examples/bookinfo', import.meta.url));

/** Runs until SIGINT, SIGTERM or SIGHUP, then 0; 1 when something did not start or ended by itself. */
export async function runDemo(argv: readonly string[], context: CommandContext): Promise<ExitCode> {
  const flags = parseFlags(argv, [{ name: 'config', value: 'DIR' }]);
  if (!flags.ok || flags.positionals.length > 0) {
    context.stderr(`outrider demo: ${flags.ok ? `unexpected argument '${flags.positionals[0]}'` : flags.message}\n`);
    return 2;
  }
  const example = resolve(flags.values.get('config')?.at(-1) ?? EXAMPLE);
  if (!existsSync(join(example, EDITED_FILE))) {
    context.stderr(`outrider demo: ${example} is no copy of the bookinfo example: it has no ${EDITED_FILE}\n`);
    return 1;
  }
  return runMesh(example, context);
}

async function runMesh(example: string, context: CommandContext): Promise<ExitCode> {
  const asked = askedToStop();
  const logs = await mkdtemp(join(tmpdir(), 'outrider-demo-'));
  const ports = await choosePorts(WANTED_PORTS);
  const config = await configFolder(example, logs, ports, context);
  const mesh = new DemoMesh({ config, logs, ports });
  const failure = await Promise.race([asked, serve(mesh, config, logs, context)]);
  await mesh.stop();
  if (failure !== undefined) {
    context.stderr(`outrider demo: ${failure}\n`);
    return 1;
  }
  await rm(logs, { recursive: true, force: true });
  return 0;
}

/** Resolves only when something went wrong, with what did. */
async function serve(mesh: DemoMesh, config: string, logs: string, context: CommandContext): Promise<string> {
  const proxies = await mesh.start();
  if (typeof proxies === 'string') return proxies;
  await greet(proxies, config, logs, context);
  const news = new ConfigNews(proxies, context.stdout);
  const failure = await mesh.failure();
  news.stop();
  return failure;
}

/** The example itself where its ports are free, so that editing it is what the visitor sees; else a copy. */
async function configFolder(example: string, logs: string, ports: PortChoices, context: CommandContext): Promise<string> {
  const taken = [...ports].filter(([wanted, chosen]) => wanted !== chosen).map(([wanted, chosen]) => `${wanted} → ${chosen}`);
  if (taken.length > 0) context.stdout(`Ports are taken (is the demo running already?); using others: ${taken.join(', ')}\n`);
  const written = [...ports].filter(([wanted]) => WRITTEN_PORTS.includes(wanted));
  if (written.every(([wanted, chosen]) => wanted === chosen)) return example;
  const copy = join(logs, 'config');
  await copyWithPorts(example, copy, new Map(written));
  context.stdout(`The example's files name some of them: this run uses a copy with the other ports, ${copy}\n`);
  return copy;
}

async function greet(proxies: readonly RunningProxy[], config: string, logs: string, context: CommandContext): Promise<void> {
  const file = join(config, EDITED_FILE);
  const lines = (await readFile(file, 'utf8')).split('\n');
  const line = lines.findIndex((text) => /^\s*(- )?weight:/.test(text)) + 1;
  const gateway = proxies[0]?.ports.ports?.[GATEWAY_PORT] ?? GATEWAY_PORT;
  const main = fileURLToPath(new URL('../main.js', import.meta.url));
  const command = `node ${typed(main)}`;
  context.stdout(renderGuide({ proxies, gateway, config: typed(config), weights: `${typed(file)}:${line}`, logs, command }));
}

/** As short as the user could type it from here. */
function typed(path: string): string {
  const short = relative(process.cwd(), path);
  return short === '' ? '.' : short.startsWith('..') ? path : short;
}

async function askedToStop(): Promise<undefined> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve(undefined));
  });
}
