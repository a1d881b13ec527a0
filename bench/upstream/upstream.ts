/** The upstream behind every peer: nginx where there is one, else our own raw server. Both read a whole body before they answer. */

import { fileURLToPath } from 'node:url';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { benchHost, largeBodyBytes, loadCore, smallBodyBytes, uploadBytes, upstreamHosts } from '../config.ts';
import { freePort, waitForAnswer } from '../measure/ports.ts';
import { findProgram, startProgram, type Program } from '../measure/process.ts';

export interface Upstream {
  readonly port: number;
  /** Every port, `port` first. */
  readonly ports: readonly number[];
  readonly stop: () => Promise<void>;
}

/** Serves `/` (1 KB), `/large` (100 KB) and `/upload` (reads the body, then answers 1 KB). */
export async function startUpstream(folder: string): Promise<Upstream> {
  const ports: number[] = [];
  while (ports.length < upstreamHosts) ports.push(await freePort());
  const nginx = findProgram('nginx');
  return started(nginx !== undefined ? startNginx(nginx, ports, folder) : startOwn(ports), ports);
}

async function started(program: Program, ports: readonly number[]): Promise<Upstream> {
  const port = ports[0] as number;
  try {
    for (const each of ports) await waitForAnswer(each, benchHost, 5000);
  } catch (error) {
    await program.stop();
    throw new Error(`the upstream does not start: ${program.output()}`, { cause: error });
  }
  return { port, ports, stop: program.stop };
}

/** Gives bytes without end to whoever asks. */
export async function startBulkUpstream(): Promise<Upstream> {
  const port = await freePort();
  const program = startProgram(loadCore, process.execPath, [fileURLToPath(new URL('./bulk-server.js', import.meta.url)), String(port)]);
  return started(program, [port]);
}

/** Name of the server, for the report. */
export const upstreamTool = findProgram('nginx') === undefined ? 'own upstream (nginx not found)' : 'nginx';

function startNginx(nginx: string, ports: readonly number[], folder: string): Program {
  const file = join(folder, 'upstream.conf');
  writeFileSync(file, nginxConfig(ports, folder));
  // nginx takes no more than 4 KB as a literal, so the large answer is a file.
  writeFileSync(join(folder, 'large'), 'x'.repeat(largeBodyBytes));
  return startProgram(loadCore, nginx, ['-p', folder, '-e', join(folder, 'error.log'), '-c', file]);
}

function nginxConfig(ports: readonly number[], folder: string): string {
  // Started by root, nginx would give its worker to a user who may not read this folder.
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  return `daemon off;
${user}
worker_processes 1;
pid ${join(folder, 'upstream.pid')};
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  default_type text/plain;
  client_body_temp_path ${join(folder, 'body')};
  proxy_temp_path ${join(folder, 'proxy')};
  upstream itself { server 127.0.0.1:${ports[0]}; keepalive 64; keepalive_requests 1000000000; }
  server {
    ${ports.map((port) => `listen 127.0.0.1:${port} backlog=4096;`).join(' ')}
    location = / { return 200 "${'x'.repeat(smallBodyBytes)}"; }
    location = /large { root ${folder}; sendfile on; open_file_cache max=10; }
    location = /upload {
      client_max_body_size 0;
      client_body_buffer_size ${uploadBytes * 2};
      proxy_pass http://itself/;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Content-Length "";
      proxy_pass_request_body off;
    }
  }
}
`;
}

function startOwn(ports: readonly number[]): Program {
  return startProgram(loadCore, process.execPath, [fileURLToPath(new URL('./server.js', import.meta.url)), ...ports.map(String)]);
}
