/** HAProxy at its leanest: one thread, upstream connections shared by all clients. */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Certificate } from '../certificates.ts';
import { findProgram, firstLine } from '../measure/process.ts';
import { freePort } from '../measure/ports.ts';
import type { Peer, PeerPlan, RunningPeer } from '../types.ts';
import { inARow, startPeer } from './start.ts';

const program = findProgram('haproxy') ?? 'haproxy';

export const haproxy: Peer = {
  name: 'haproxy',
  works: ['http', 'https', 'mtls-hop', 'tcp'],
  accessLog: false,
  missing: () => (findProgram('haproxy') === undefined ? 'haproxy is not on PATH' : undefined),
  version: () => firstLine(program, ['-v']).replace(/ - .*$/, ''),
  async start(plan) {
    const { work, certificates, listenPort, upstreamPort, folder } = plan;
    const plain: Hop = { mode: work === 'tcp' ? 'tcp' : 'http', listenPort, upstreamPort, bind: '', server: '' };
    if (certificates === undefined) return startOne(plan, 'haproxy', plain);
    const { root, gateway, client, server } = certificates;
    if (work === 'https') return startOne(plan, 'haproxy', { ...plain, bind: ` ssl crt ${inOneFile(gateway, join(folder, 'gateway.pem'))}` });
    const between = await freePort();
    // A server name makes HAProxy compare DNS names, which workloads of a mesh have not: without one the chain is verified.
    const entrance = { ...plain, upstreamPort: between, server: ` ssl verify required ca-file ${root} crt ${inOneFile(client, join(folder, 'client.pem'))}` };
    const exit = { ...plain, listenPort: between, bind: ` ssl verify required ca-file ${root} crt ${inOneFile(server, join(folder, 'server.pem'))}` };
    return inARow(startOne(plan, 'entrance', entrance), startOne(plan, 'exit', exit));
  },
};

/** One way in and out. */
interface Hop {
  readonly mode: 'http' | 'tcp';
  readonly listenPort: number;
  readonly upstreamPort: number;
  /** More words of the `bind` and of the `server` line. */
  readonly bind: string;
  readonly server: string;
}

function startOne(plan: PeerPlan, name: string, hop: Hop): Promise<RunningPeer> {
  mkdirSync(plan.folder, { recursive: true });
  const file = join(plan.folder, `${name}.cfg`);
  writeFileSync(file, haproxyConfig(hop));
  return startPeer(plan, program, ['-f', file]);
}

/** HAProxy reads chain and key from one file. */
function inOneFile({ chain, key }: Certificate, file: string): string {
  writeFileSync(file, readFileSync(chain, 'utf8') + readFileSync(key, 'utf8'), { mode: 0o600 });
  return file;
}

function haproxyConfig({ mode, listenPort, upstreamPort, bind, server }: Hop): string {
  const pool = mode === 'http' ? ' pool-max-conn 4096' : '';
  return `global
  nbthread 1
  maxconn 8000
defaults
  mode ${mode}
  timeout connect 10s
  timeout client 1h
  timeout server 1h
${mode === 'http' ? '  http-reuse always\n' : ''}frontend bench
  bind 127.0.0.1:${listenPort}${bind} backlog 4096
  default_backend upstream
backend upstream
  server upstream 127.0.0.1:${upstreamPort}${server}${pool}
`;
}
