/**
 * nginx at its leanest: one worker, keep-alive to the upstream, no header work beyond Host, bodies streamed as the other
 * peers stream them.
 */

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram, firstLine, printed } from '../measure/process.ts';
import { freePort } from '../measure/ports.ts';
import type { Certificate } from '../certificates.ts';
import { gatewayHost } from '../config.ts';
import type { Peer, PeerPlan, RunningPeer } from '../types.ts';
import { inARow, startPeer } from './start.ts';

const program = findProgram('nginx') ?? 'nginx';

export const nginx: Peer = {
  name: 'nginx',
  works: ['http', 'https', 'mtls-hop', 'tcp'],
  accessLog: true,
  missing(work) {
    if (findProgram('nginx') === undefined) return 'nginx is not on PATH (Debian: nginx-light)';
    return work === 'tcp' && !hasStream() ? 'this nginx lacks the stream module (Debian: libnginx-mod-stream)' : undefined;
  },
  version: () => firstLine(program, ['-v']).replace('nginx version: ', ''),
  async start(plan) {
    const { work, certificates, listenPort, upstreamPort } = plan;
    if (work === 'tcp') return startOne(plan, 'nginx', streamConfig(plan));
    if (certificates === undefined) return startOne(plan, 'nginx', httpConfig(plan, plainHop(listenPort, upstreamPort)));
    const { root, gateway, client } = certificates;
    if (work === 'https') return startOne(plan, 'nginx', httpConfig(plan, { ...plainHop(listenPort, upstreamPort), ...terminating(gateway) }));
    const between = await freePort();
    const entrance = { ...plainHop(listenPort, between), ...originating(client, root) };
    const exit = { ...plainHop(between, upstreamPort), ...terminating(gateway, root) };
    return inARow(startOne(plan, 'entrance', httpConfig(plan, entrance)), startOne(plan, 'exit', httpConfig(plan, exit)));
  },
};

/** One way in and out. */
interface Hop {
  readonly listenPort: number;
  readonly upstreamPort: number;
  /** Word after the listening address. */
  readonly listenTls: string;
  readonly serverTls: string;
  readonly upstreamScheme: 'http' | 'https';
  readonly upstreamTls: string;
}

function startOne(plan: PeerPlan, name: string, config: string): Promise<RunningPeer> {
  const folder = join(plan.folder, name);
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'nginx.conf');
  writeFileSync(file, config.replaceAll('{folder}', folder));
  return startPeer(plan, program, ['-p', folder, '-e', join(folder, 'error.log'), '-c', file]);
}

function plainHop(listenPort: number, upstreamPort: number): Hop {
  return { listenPort, upstreamPort, listenTls: '', serverTls: '', upstreamScheme: 'http', upstreamTls: '' };
}

/** With `root`, only for clients with a certificate that comes from it. */
function terminating({ chain, key }: Certificate, root?: string): Pick<Hop, 'listenTls' | 'serverTls'> {
  const clients = root === undefined ? '' : `ssl_client_certificate ${root}; ssl_verify_client on;`;
  return { listenTls: ' ssl', serverTls: `ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate ${chain}; ssl_certificate_key ${key}; ${clients}` };
}

function originating({ chain, key }: Certificate, root: string): Pick<Hop, 'upstreamScheme' | 'upstreamTls'> {
  const identity = `proxy_ssl_protocols TLSv1.2 TLSv1.3; proxy_ssl_certificate ${chain}; proxy_ssl_certificate_key ${key};`;
  // nginx compares DNS names alone, so its second proxy shows the gateway's certificate.
  return { upstreamScheme: 'https', upstreamTls: `${identity} proxy_ssl_trusted_certificate ${root}; proxy_ssl_verify on; proxy_ssl_name ${gatewayHost};` };
}

function httpConfig(plan: PeerPlan, hop: Hop): string {
  const log = plan.accessLog === undefined ? 'access_log off;' : `access_log ${plan.accessLog} istio buffer=64k flush=1s;`;
  return `${processConfig()}
http {
  log_format istio '[$time_iso8601] "$request_method $request_uri $server_protocol" $status - - "-" $request_length $bytes_sent $request_time $upstream_response_time "$http_x_forwarded_for" "$http_user_agent" "$request_id" "$http_host" "$upstream_addr" bench - $server_addr:$server_port $remote_addr:$remote_port - default';
  ${log}
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  client_max_body_size 0;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream bench { server 127.0.0.1:${hop.upstreamPort}; keepalive 256; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${hop.listenPort}${hop.listenTls} backlog=4096;
    ${hop.serverTls}
    location / {
      proxy_pass ${hop.upstreamScheme}://bench;
      ${hop.upstreamTls}
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

function streamConfig(plan: PeerPlan): string {
  const module = streamModule();
  const load = module === undefined ? '' : `load_module ${module};\n`;
  return `${load}${processConfig()}
stream {
  server {
    listen 127.0.0.1:${plan.listenPort} backlog=4096;
    proxy_pass 127.0.0.1:${plan.upstreamPort};
    proxy_timeout 1h;
  }
}
`;
}

function processConfig(): string {
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  return `daemon off;
${user}
worker_processes 1;
pid {folder}/nginx.pid;
events { worker_connections 4096; }`;
}

function hasStream(): boolean {
  return buildOptions().includes('--with-stream') || streamModule() !== undefined;
}

/** The loadable module, where the distribution keeps it as a file. */
function streamModule(): string | undefined {
  const folder = buildOptions().find((word) => word.startsWith('--modules-path='))?.slice('--modules-path='.length);
  if (folder === undefined) return undefined;
  const file = join(folder, 'ngx_stream_module.so');
  return existsSync(file) ? file : undefined;
}

function buildOptions(): string[] {
  return printed(program, ['-V']).split(/\s+/);
}
