/**
 * Tables of small snapshots played through one real `outrider run`: each row replaces the snapshot, sends its requests
 * and says who must have answered and what that upstream must have seen.
 */

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { explainMismatch } from './explain-check.ts';
import type { BoundPorts, ConfigStatus, ProxyOptions } from './proxy.ts';
import { Proxy } from './proxy.ts';
import type { RawResponse, RequestOptions } from './raw-client.ts';
import { pod, renderResources } from './resources.ts';
import type { ResourceObject, WorkloadOptions } from './resources.ts';

type Labels = Readonly<Record<string, string>>;

export interface EchoMeshOptions {
  /** Names of upstreams; `at(name)` is a workload of that version. */
  readonly upstreams: readonly string[];
  readonly mode?: 'sidecar' | 'gateway';
  /** Default `default/client`, whose Pod every row gets. */
  readonly workload?: string;
  /** Address of that Pod; default 127.0.0.1. */
  readonly ip?: string;
  readonly args?: readonly string[];
}

export interface MeshRow {
  readonly name: string;
  /** YAML text, resources, or both mixed; lists are flattened. */
  readonly snapshot: Snapshot;
  /** Labels of the proxy's own Pod besides `app`. */
  readonly labels?: Labels;
  /** Requests in order, each with what must come of it. */
  readonly ask?: readonly (readonly [request: Ask | string, answer: Answer])[];
  /** A part of each warning that the snapshot must cause. */
  readonly warns?: readonly (string | RegExp)[];
  /** Instead of `ask`, or after it. */
  readonly also?: (t: Test) => Promise<unknown>;
}

export type Snapshot = readonly (string | ResourceObject | Snapshot)[];

/** A request; a string is a path for host `reviews:9080`. */
export interface Ask extends RequestOptions {
  /** `inbound`, or the Gateway's or Sidecar's declared port; default the outbound port (sidecar), the first declared port (gateway). */
  readonly via?: 'inbound' | number;
  /** Written as it is instead of the path: `http://reviews:9080/`. */
  readonly target?: string;
}

/** Upstream's name, status of a local answer, or everything that matters of it. */
export type Answer = string | number | Expected;

export interface Expected {
  /** Upstream that must have answered; without it the proxy must have answered itself. */
  readonly by?: string;
  /** Default 200 with `by`. */
  readonly status?: number;
  /** As the upstream saw them. */
  readonly method?: string;
  readonly path?: string;
  readonly host?: string;
  /** Request headers as the upstream saw them; null: must be absent. Repeated ones joined by `, `. */
  readonly headers?: Readonly<Record<string, string | RegExp | null>>;
  /** Response headers. */
  readonly response?: Readonly<Record<string, string | RegExp | null>>;
  /** Body of a local answer. */
  readonly text?: string | RegExp;
  /** Fields of the JSON access log line. */
  readonly log?: Readonly<Record<string, unknown>>;
}

/** What an upstream says it saw; its answer's body. */
export interface Echo {
  readonly by: string;
  readonly method: string;
  readonly path: string;
  readonly host: string;
  readonly headers: Readonly<Record<string, string>>;
}

interface Surroundings {
  readonly ownPod: (labels: Labels) => ResourceObject;
  readonly readyFile: string;
  readonly options: readonly string[];
}

export class EchoMesh {
  readonly proxy: Proxy;
  readonly #ports: ReadonlyMap<string, number>;
  readonly #ownPod: (labels: Labels) => ResourceObject;
  readonly #readyFile: string;
  /** What `run` was told about itself. */
  readonly #options: readonly string[];
  #asked = 0;

  private constructor(proxy: Proxy, ports: ReadonlyMap<string, number>, { ownPod, readyFile, options }: Surroundings) {
    this.proxy = proxy;
    this.#options = options;
    this.#ports = ports;
    this.#ownPod = ownPod;
    this.#readyFile = readyFile;
  }

  static async start(t: Test, options: EchoMeshOptions): Promise<EchoMesh> {
    const ports = new Map<string, number>();
    for (const name of options.upstreams) ports.set(name, await startEcho(t, name));
    const { workload = 'default/client', ip = '127.0.0.1' } = options;
    const [namespace = '', name = ''] = workload.split('/');
    const ownPod = (labels: Labels): ResourceObject => ({ ...pod(name, { app: name, ...labels }, namespace), status: { podIP: ip, phase: 'Running' } });
    const folder = await mkdtemp(join(tmpdir(), 'outrider-ready-'));
    t.teardown(() => rm(folder, { recursive: true, force: true }));
    const readyFile = join(folder, 'ready.json');
    const proxyOptions: ProxyOptions = {
      snapshot: [ownPod({})],
      workload,
      ...(options.mode === undefined ? {} : { mode: options.mode }),
      args: ['--access-log-format', 'json', '--ready-file', readyFile, ...(options.args ?? [])],
    };
    const proxy = await Proxy.start(t, proxyOptions);
    const args = (options.args ?? []).filter((arg, index, all) => ![arg, all[index - 1]].some((each) => each?.startsWith('--access-log')));
    const own = ['--config', join(proxy.folder, 'snapshot.yaml'), '--workload', workload, '--mode', options.mode ?? 'sidecar', ...args];
    return new EchoMesh(proxy, ports, { ownPod, readyFile, options: own });
  }

  /** Port of an upstream. */
  port(name: string): number {
    const port = this.#ports.get(name);
    if (port === undefined) throw new Error(`no upstream ${name}`);
    return port;
  }

  /** Workload of a service: the upstream of that name, its version label the name. */
  at(name: string, labels: Labels = {}): WorkloadOptions {
    return { port: this.port(name), version: name, labels };
  }

  /** One subtest a row, in order. */
  async play(t: Test, rows: readonly MeshRow[]): Promise<void> {
    for (const row of rows) await t.test(row.name, (t) => this.#playRow(t, row));
  }

  /** Serves this snapshot from now on. The proxy's own Pod is added. */
  async load(snapshot: Snapshot, labels: Labels = {}): Promise<ConfigStatus> {
    const text = [renderResources([this.#ownPod(labels)]), ...flatten(snapshot)].join('\n---\n');
    const file = join(this.proxy.folder, 'snapshot.yaml');
    await writeFile(`${file}.new`, text);
    await rename(`${file}.new`, file);
    await this.proxy.admin('POST /reload').catch(() => {});
    return this.proxy.configStatus();
  }

  /** Ports as the ready file has them now: a reload may have bound others. */
  async bound(): Promise<BoundPorts> {
    return JSON.parse(await readFile(this.#readyFile, 'utf8')) as BoundPorts;
  }

  /** Port where a request with this `via` enters. */
  async entry(via?: Ask['via']): Promise<number> {
    const { outbound, inbound, ports = {} } = await this.bound();
    const port = via === undefined ? (outbound ?? Object.values(ports)[0]) : via === 'inbound' ? inbound : ports[via];
    if (port === undefined) throw new Error(`the proxy has not bound ${via ?? 'anything'}`);
    return port;
  }

  /** Sends one request; resolves with the answer and, where an upstream gave it, what that one saw. */
  async ask(request: Ask | string): Promise<{ readonly response: RawResponse; readonly echo: Echo | undefined; readonly id: string }> {
    const options = typeof request === 'string' ? { path: request } : request;
    const id = `ask-${++this.#asked}`;
    const { target, via, ...rest } = options;
    const sent = { host: 'reviews:9080', ...rest, ...(target === undefined ? {} : { path: target }), headers: { 'User-Agent': id, ...options.headers } };
    const response = await this.proxy.request(sent, await this.entry(via));
    return { response, echo: echoOf(response), id };
  }

  /** Fields of the access log line of an `ask`. */
  async logged(id: string): Promise<Readonly<Record<string, unknown>>> {
    return JSON.parse(await this.proxy.logLine(`"user_agent":"${id}"`)) as Readonly<Record<string, unknown>>;
  }

  async #playRow(t: Test, row: MeshRow): Promise<void> {
    const status = await this.load(row.snapshot, row.labels);
    if (!t.equal(status.lastAttempt, 'accepted', 'the snapshot is accepted')) {
      t.comment(status.problems.join('\n'));
      return;
    }
    for (const part of row.warns ?? []) t.ok(status.problems.some((problem) => contains(problem, part)), `warns of ${part}`, { problems: status.problems });
    const logged: (() => Promise<void>)[] = [];
    for (const [request, answer] of row.ask ?? []) logged.push(await this.#check(t, request, typeof answer === 'object' ? answer : short(answer)));
    // The log is written some time after the answers, all of a row at once.
    for (const check of logged) await check();
    await row.also?.(t);
  }

  /** `explain` must say of each request what has become of it. */
  async #explainedOtherwise(ask: Ask, response: RawResponse, echo: Echo | undefined): Promise<string | undefined> {
    const { outbound, ports = {} } = await this.bound();
    // Requests to other listeners of a sidecar are none that explain can be asked about.
    if (outbound !== undefined && ask.via !== undefined) return undefined;
    const url = urlOf(ask, outbound === undefined ? String(ask.via ?? Object.keys(ports)[0]) : undefined);
    // The port that says which server would be part of where a gateway redirects to.
    const redirects = response.header('location') !== undefined && outbound === undefined;
    const foreign = echo !== undefined && !this.#ports.has(echo.by);
    if (url === undefined || redirects || foreign) return undefined;
    const happened = { status: response.status, location: response.header('location'), body: response.text, upstreamPort: echo === undefined ? undefined : this.port(echo.by) };
    return explainMismatch({ options: this.#options, method: ask.method ?? 'GET', url, headers: ask.headers ?? {} }, happened);
  }

  /** Resolves with the check of the request's access log line. */
  async #check(t: Test, request: Ask | string, expected: Expected): Promise<() => Promise<void>> {
    const { response, echo, id } = await this.ask(request);
    const what = describe(request);
    const got = { by: echo?.by, status: response.status };
    const wanted = { by: expected.by, status: expected.status ?? 200 };
    const asExpected = t.same(got, wanted, `${what}: who answers`, { body: response.text });
    const different = await this.#explainedOtherwise(typeof request === 'string' ? { path: request } : request, response, echo);
    if (different !== undefined) t.fail(`${what}: ${different}`);
    for (const field of ['method', 'path', 'host'] as const) {
      if (expected[field] !== undefined) t.equal(echo?.[field], expected[field], `${what}: ${field} upstream`);
    }
    for (const [name, value] of Object.entries(expected.headers ?? {})) checkText(t, echo?.headers[name.toLowerCase()], value, `${what}: ${name} upstream`);
    for (const [name, value] of Object.entries(expected.response ?? {})) checkText(t, response.header(name), value, `${what}: ${name} in the answer`);
    if (expected.text !== undefined) checkText(t, response.text, expected.text, `${what}: body`);
    return async () => {
      if (expected.log !== undefined) t.match(await this.logged(id), expected.log, `${what}: access log`);
      else if (!asExpected) t.comment(JSON.stringify(await this.logged(id)));
    };
  }
}

/** For `explain`; undefined for a request that no URL says. */
function urlOf({ host = 'reviews:9080', path = '/', target }: Ask, gatewayPort: string | undefined): string | undefined {
  if (target !== undefined) return target.startsWith('http') && gatewayPort === undefined ? target : undefined;
  if (gatewayPort === undefined) return `http://${host}${path}`;
  // At a gateway the URL's port says which server; a Host with another one has no URL.
  return /:\d+$/.test(host) ? undefined : `http://${host}:${gatewayPort}${path}`;
}

function short(answer: string | number): Expected {
  return typeof answer === 'string' ? { by: answer } : { status: answer };
}

function checkText(t: Test, got: string | undefined, wanted: string | RegExp | null, what: string): void {
  if (wanted instanceof RegExp) t.match(got, wanted, what);
  else t.equal(got, wanted ?? undefined, what);
}

function describe(request: Ask | string): string {
  if (typeof request === 'string') return request;
  const { method = 'GET', host = 'reviews:9080', path = '/', target = path, headers = {} } = request;
  return `${method} ${host} ${target}${Object.keys(headers).length === 0 ? '' : ` ${JSON.stringify(headers)}`}`;
}

function contains(text: string, part: string | RegExp): boolean {
  return typeof part === 'string' ? text.includes(part) : part.test(text);
}

function flatten(snapshot: Snapshot): readonly string[] {
  return snapshot.flatMap((part) => {
    if (typeof part === 'string') return [part];
    return Array.isArray(part) ? flatten(part as Snapshot) : [renderResources([part as ResourceObject])];
  });
}

function echoOf(response: RawResponse): Echo | undefined {
  if (response.header('x-by') === undefined) return undefined;
  // A HEAD request has its echo in the header alone.
  return response.text === '' ? { by: response.header('x-by') ?? '', method: '', path: '', host: '', headers: {} } : (JSON.parse(response.text) as Echo);
}

/** An HTTP server that answers what it saw; its port. */
export async function startEcho(t: Test, name: string, { address = '127.0.0.1', port = 0 } = {}): Promise<number> {
  const server: Server = createServer((request, response) => {
    request.resume();
    response.writeHead(200, { 'x-by': name, 'x-upstream-secret': 's3cret', 'content-type': 'application/json' });
    response.end(JSON.stringify(seen(name, request)));
  });
  server.listen(port, address);
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

function seen(by: string, { method = '', url: path = '', headersDistinct }: IncomingMessage): Echo {
  const headers = Object.fromEntries(Object.entries(headersDistinct).map(([name, values]) => [name, (values ?? []).join(', ')]));
  return { by, method, path, host: headers['host'] ?? '', headers };
}
