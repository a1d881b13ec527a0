/** Which of the demo's ports are free, and a copy of the example for a machine where some are not. */

import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { join } from 'node:path';

/** Each wanted port with the one to use: itself, or a free one where another program holds it. */
export type PortChoices = ReadonlyMap<number, number>;

/** How far above a taken port a free one is looked for before the system picks one. */
const NEARBY = 20;

/** Looks at all ports at once, so that two that are taken do not get the same substitute. */
export async function choosePorts(wanted: readonly number[]): Promise<PortChoices> {
  const held: Server[] = [];
  const choices = new Map<number, number>();
  try {
    for (const port of wanted) choices.set(port, await hold(port, held));
  } finally {
    await Promise.all(held.map((server) => new Promise((resolve) => server.close(resolve))));
  }
  return choices;
}

/** Copies the YAML files of `source` into `target` with every taken port replaced by its substitute. */
export async function copyWithPorts(source: string, target: string, choices: PortChoices): Promise<void> {
  await mkdir(target, { recursive: true });
  const taken = [...choices].filter(([wanted, chosen]) => wanted !== chosen);
  for (const name of (await readdir(source)).filter((file) => /\.ya?ml$/.test(file))) {
    let text = await readFile(join(source, name), 'utf8');
    for (const [wanted, chosen] of taken) text = text.replace(new RegExp(`\\b${wanted}\\b`, 'g'), String(chosen));
    await writeFile(join(target, name), text);
  }
}

async function hold(port: number, held: Server[]): Promise<number> {
  for (let candidate = port; candidate <= port + NEARBY; candidate += 1) {
    if ((await listen(candidate, held)) !== undefined) return candidate;
  }
  return (await listen(0, held)) ?? port;
}

/** The port bound; undefined where it is taken. */
async function listen(port: number, held: Server[]): Promise<number | undefined> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(undefined));
    server.listen(port, '127.0.0.1', () => {
      held.push(server);
      resolve((server.address() as AddressInfo).port);
    });
  });
}
