/** The proxies a Node user would reach for: http-proxy and fast-proxy on node:http. */

import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { Peer } from '../types.ts';
import { startPeer } from './start.ts';

const require = createRequire(import.meta.url);

export const httpProxy = nodePeer('http-proxy');
export const fastProxy = nodePeer('fast-proxy');

function nodePeer(name: string): Peer {
  const server = fileURLToPath(new URL(`./servers/${name}.js`, import.meta.url));
  return {
    name,
    works: ['http'],
    accessLog: false,
    missing: () => (packageVersion(name) === undefined ? `package ${name} is not installed (npm install)` : undefined),
    version: () => `${packageVersion(name)} on Node ${process.version}`,
    start: (plan) => startPeer(plan, process.execPath, [server, String(plan.listenPort), String(plan.upstreamPort)]),
  };
}

function packageVersion(name: string): string | undefined {
  try {
    return (require(`${name}/package.json`) as { readonly version: string }).version;
  } catch {
    return undefined;
  }
}
