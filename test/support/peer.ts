/** Runs a peer proxy for a test: waits until it accepts connections, ends it with the test. */

import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { envoy, program } from './programs.ts';
import { eventually } from './scope.ts';
import type { TestScope } from './scope.ts';

/** The real Envoy with one HTTP listener whose routes are `routes` (Envoy's own form) over one cluster per upstream. */
export interface EnvoyOptions {
  readonly clusters: Readonly<Record<string, number>>;
  readonly routes: readonly unknown[];
  /** Merged over the HTTP connection manager that Istio programs for a sidecar. */
  readonly connectionManager?: Readonly<Record<string, unknown>>;
}

/** Starts Envoy as Istio configures a sidecar's outbound listener; resolves with the listener's port. */
export async function startEnvoy(t: TestScope, options: EnvoyOptions): Promise<number> {
  const port = await freePort();
  const folder = await temporaryFolder(t);
  const file = join(folder, 'envoy.json');
  await writeFile(file, JSON.stringify(envoyBootstrap(port, options)));
  await start(t, envoy().path, ['-c', file, '--concurrency', '1', '--log-level', 'error', '--base-id', String(port)], port);
  return port;
}

/** Starts nginx with the given `server { … }` body listening on a free port; resolves with that port. */
export async function startNginx(t: TestScope, server: string): Promise<number> {
  const port = await freePort();
  const folder = await temporaryFolder(t);
  const file = join(folder, 'nginx.conf');
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`).join(' ');
  await writeFile(
    file,
    `daemon off; worker_processes 1; pid ${folder}/pid; error_log stderr error; events {} http { access_log off; ${paths} server { listen 127.0.0.1:${port}; ${server} } }`,
  );
  await start(t, program('nginx').path, ['-c', file, '-p', folder], port);
  return port;
}

async function start(t: TestScope, path: string, args: readonly string[], port: number): Promise<void> {
  const child = spawn(path, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const exited = new Promise<void>((resolve, reject) => child.once('error', reject).once('close', () => resolve()));
  t.teardown(async () => {
    child.kill('SIGTERM');
    await exited;
  });
  const failed = exited.then(() => {
    throw new Error(`${path} ended before it listened:\n${stderr}`);
  });
  await Promise.race([eventually(() => accepts(port), `${path} to listen on ${port}`), failed]);
}

function envoyBootstrap(port: number, options: EnvoyOptions): unknown {
  const manager = {
    '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    stat_prefix: 'outbound',
    normalize_path: true,
    path_with_escaped_slashes_action: 'KEEP_UNCHANGED',
    stream_idle_timeout: '0s',
    proxy_100_continue: true,
    route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], include_request_attempt_count: true, routes: options.routes }] },
    http_filters: [{ name: 'envoy.filters.http.router', typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' } }],
    ...options.connectionManager,
  };
  return {
    layered_runtime: { layers: [{ name: 'istio', static_layer: { 'envoy.reloadable_features.http_reject_path_with_fragment': false } }] },
    static_resources: {
      listeners: [
        {
          name: 'outbound',
          traffic_direction: 'OUTBOUND',
          address: socketAddress(port),
          filter_chains: [{ filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }] }],
        },
      ],
      clusters: Object.entries(options.clusters).map(([name, upstream]) => ({
        name,
        type: 'STATIC',
        connect_timeout: '10s',
        lb_policy: 'LEAST_REQUEST',
        load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(upstream) } }] }] },
      })),
    },
  };
}

function socketAddress(port: number): unknown {
  return { socket_address: { address: '127.0.0.1', port_value: port } };
}

async function temporaryFolder(t: TestScope): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'outrider-peer-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
