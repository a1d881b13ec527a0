/**
 * nginx at its leanest: one worker, keep-alive to the upstream, no header work beyond Host, bodies streamed as the other
 * peers stream them.
 */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram, firstLine } from '../measure/process.ts';
import type { Peer, PeerPlan } from '../types.ts';
import { startPeer } from './start.ts';

const program = findProgram('nginx') ?? 'nginx';

export const nginx: Peer = {
  name: 'nginx',
  accessLog: true,
  missing: () => (findProgram('nginx') === undefined ? 'nginx is not on PATH (Debian: nginx-light)' : undefined),
  version: () => firstLine(program, ['-v']).replace('nginx version: ', ''),
  start(plan) {
    const file = join(plan.folder, 'nginx.conf');
    writeFileSync(file, nginxConfig(plan));
    return startPeer(plan, program, ['-p', plan.folder, '-e', join(plan.folder, 'error.log'), '-c', file]);
  },
};

function nginxConfig(plan: PeerPlan): string {
  const log = plan.accessLog === undefined ? 'access_log off;' : `access_log ${plan.accessLog} istio buffer=64k flush=1s;`;
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  return `daemon off;
${user}
worker_processes 1;
pid ${join(plan.folder, 'nginx.pid')};
events { worker_connections 4096; }
http {
  log_format istio '[$time_iso8601] "$request_method $request_uri $server_protocol" $status - - "-" $request_length $bytes_sent $request_time $upstream_response_time "$http_x_forwarded_for" "$http_user_agent" "$request_id" "$http_host" "$upstream_addr" bench - $server_addr:$server_port $remote_addr:$remote_port - default';
  ${log}
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  client_max_body_size 0;
  client_body_temp_path ${join(plan.folder, 'body')};
  proxy_temp_path ${join(plan.folder, 'proxy')};
  fastcgi_temp_path ${join(plan.folder, 'fastcgi')};
  uwsgi_temp_path ${join(plan.folder, 'uwsgi')};
  scgi_temp_path ${join(plan.folder, 'scgi')};
  upstream bench { server 127.0.0.1:${plan.upstreamPort}; keepalive 256; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${plan.listenPort} backlog=4096;
    location / {
      proxy_pass http://bench;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_request_buffering off;
      proxy_max_temp_file_size 0;
    }
  }
}
`;
}
