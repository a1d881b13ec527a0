/** The upstream behind every peer: nginx for answers where there is one, our own raw server for uploads and otherwise. */

import { fileURLToPath } from 'node:url';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { benchHost, largeBodyBytes, loadCore, smallBodyBytes } from '../config.ts';
import { freePort, waitForAnswer } from '../measure/ports.ts';
import { findProgram, startProgram, type Program } from '../measure/process.ts';

export interface Upstream {
  readonly port: number;
  stop(): Promise<void>;
}

/** What the upstream must do: `answers` sends `/` (1 KB) and `/large` (100 KB), `uploads` reads whole bodies first. */
export type UpstreamKind = 'answers' | 'uploads';

export async function startUpstream(kind: UpstreamKind, folder: string): Promise<Upstream> {
  const port = await freePort();
  const nginx = findProgram('nginx');
  const program = kind === 'answers' && nginx !== undefined ? startNginx(nginx, port, folder) : startOwn(port);
  try {
    await waitForAnswer(port, benchHost, 5000);
  } catch (error) {
    await program.stop();
    throw new Error(`the upstream does not start: ${program.output()}`, { cause: error });
  }
  return { port, stop: program.stop };
}

/** Name of the server that answers, for the report. */
export const answersTool = findProgram('nginx') === undefined ? 'own upstream (nginx not found)' : 'nginx';

function startNginx(nginx: string, port: number, folder: string): Program {
  const file = join(folder, 'upstream.conf');
  writeFileSync(file, nginxConfig(port, folder));
  // nginx takes no more than 4 KB as a literal, so the large answer is a file.
  writeFileSync(join(folder, 'large'), 'x'.repeat(largeBodyBytes));
  return startProgram(loadCore, nginx, ['-p', folder, '-e', join(folder, 'error.log'), '-c', file]);
}

function nginxConfig(port: number, folder: string): string {
  return `daemon off;
worker_processes 1;
pid ${join(folder, 'upstream.pid')};
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  default_type text/plain;
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location = / { return 200 "${'x'.repeat(smallBodyBytes)}"; }
    location = /large { root ${folder}; sendfile on; open_file_cache max=10; }
  }
}
`;
}

function startOwn(port: number): Program {
  return startProgram(loadCore, process.execPath, [fileURLToPath(new URL('./server.js', import.meta.url)), String(port)]);
}
