/** A peer given on the command line, for a prototype: `--custom "node proxy.js {listen} {upstream}"`. */

import { startPeer } from './start.ts';
import type { Peer } from '../types.ts';

/** `name` as in `--peers`; `{listen}`, `{upstream}`, `{folder}` and `{log}` are replaced in each blank-separated word. */
export function customPeer(name: string, template: string): Peer {
  const words = template.trim().split(/\s+/);
  return {
    name,
    works: ['http', 'tcp'],
    accessLog: template.includes('{log}'),
    missing: () => undefined,
    version: () => template,
    start(plan) {
      const values: Record<string, string> = {
        '{listen}': String(plan.listenPort),
        '{upstream}': String(plan.upstreamPort),
        '{folder}': plan.folder,
        '{log}': plan.accessLog ?? '/dev/null',
      };
      const argv = words.map((word) => word.replace(/\{(?:listen|upstream|folder|log)\}/g, (name) => values[name] ?? name));
      const command = argv[0] === 'node' ? process.execPath : (argv[0] ?? 'false');
      return startPeer(plan, command, argv.slice(1));
    },
  };
}
