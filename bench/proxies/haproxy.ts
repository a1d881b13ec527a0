/** HAProxy at its leanest: one thread, upstream connections shared by all clients. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram, firstLine } from '../measure/process.ts';
import type { Peer, PeerPlan } from '../types.ts';
import { startPeer } from './start.ts';

const program = findProgram('haproxy') ?? 'haproxy';

export const haproxy: Peer = {
  name: 'haproxy',
  accessLog: false,
  missing: () => (findProgram('haproxy') === undefined ? 'haproxy is not on PATH' : undefined),
  version: () => firstLine(program, ['-v']).replace(/ - .*$/, ''),
  start(plan) {
    const file = join(plan.folder, 'haproxy.cfg');
    writeFileSync(file, haproxyConfig(plan));
    return startPeer(plan, program, ['-f', file]);
  },
};

function haproxyConfig(plan: PeerPlan): string {
  return `global
  nbthread 1
  maxconn 8000
defaults
  mode http
  timeout connect 10s
  timeout client 1h
  timeout server 1h
  http-reuse always
frontend bench
  bind 127.0.0.1:${plan.listenPort} backlog 4096
  default_backend upstream
backend upstream
  server upstream 127.0.0.1:${plan.upstreamPort} pool-max-conn 4096
`;
}
