/** Says where this proxy serves: the ready line and the ready file, the same JSON in both. */

import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { ListenerView } from '../admin/view.ts';

/** What is off is left out. */
export interface ServingPorts {
  readonly outbound?: number;
  readonly inbound?: number;
  readonly admin?: number;
  readonly health?: number;
  readonly metrics?: number;
  /** Declared port of a Gateway or Sidecar to the port bound in its place. */
  readonly ports: Readonly<Record<string, number>>;
}

/** Ports of the servers beside the data path; absent where off. */
export type SidePorts = Pick<ServingPorts, 'admin' | 'health' | 'metrics'>;

/** In the order of the interface: outbound, inbound, admin, health, metrics, ports. */
export function servingPorts(listeners: Iterable<ListenerView>, side: SidePorts): ServingPorts {
  const capture: { outbound?: number; inbound?: number } = {};
  const ports: Record<string, number> = {};
  for (const { config, boundPort } of listeners) {
    if (config.name === 'virtualOutbound') capture.outbound = boundPort;
    else if (config.name === 'virtualInbound') capture.inbound = boundPort;
    // Two binds of one declared port (two addresses): the first named stands for it.
    else if (config.declaredPort !== undefined) ports[config.declaredPort] ??= boundPort;
  }
  return { ...ordered(capture.outbound, capture.inbound), ...side, ports };
}

/**
 * Writes the file under another name in the same folder and renames it: a reader sees the old or the new one, whole.
 * Throws when the folder cannot be written.
 */
export function writeReadyFile(path: string, ports: ServingPorts): void {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
  try {
    writeFileSync(temporary, `${JSON.stringify(ports)}\n`);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

function ordered(outbound: number | undefined, inbound: number | undefined): Pick<ServingPorts, 'outbound' | 'inbound'> {
  return { ...(outbound === undefined ? {} : { outbound }), ...(inbound === undefined ? {} : { inbound }) };
}
