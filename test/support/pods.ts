/** A mesh of pods: network namespaces on one bridge, applications in them, and beside each a real `outrider run` as user 1337. Needs root. */

import type { ChildProcess } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MAIN } from './command.ts';
import { assign, Namespace, plug, type Ran } from './namespace.ts';
import { asProxy, PROXY_USER, Sidecar, START_LIMIT_MS } from './pods-sidecar.ts';
import { renderResources, type ResourceObject } from './resources.ts';
import { eventually, inTime, type TestScope } from './scope.ts';

/** What injection gives its init container, for both families. */
const CAPTURE_ALL = ['-p', '15001', '-z', '15006', '-u', String(PROXY_USER), '-g', String(PROXY_USER), '-m', 'REDIRECT', '-i', '*', '-b', '*', '-d', '15090,15021,15020', '--dual-stack'];

export interface ServicePort {
  /** Kubernetes' name, by which Istio knows the protocol: `http`, `tcp-redis`. */
  readonly name: string;
  readonly port: number;
  /** Where the pods listen; as `port` by default. */
  readonly targetPort?: number;
}

export interface PodServiceOptions {
  readonly pods: readonly Pod[];
  readonly ports: readonly ServicePort[];
  /** Service addresses; none: headless. */
  readonly addresses?: readonly string[];
}

/** A Service with endpoints of both families. */
export function podService(name: string, { pods, ports, addresses = [] }: PodServiceOptions): readonly ResourceObject[] {
  const clusterIPs = addresses.length === 0 ? ['None'] : addresses;
  const written = ports.map(({ name, port, targetPort = port }) => ({ name, port, targetPort, protocol: 'TCP' }));
  const slice = (addressType: 'IPv4' | 'IPv6', addressOf: (pod: Pod) => string): ResourceObject & Readonly<Record<string, unknown>> => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${name}-${addressType.toLowerCase()}`, namespace: 'default', labels: { 'kubernetes.io/service-name': name } },
    addressType,
    ports: written.map(({ name, targetPort, protocol }) => ({ name, port: targetPort, protocol })),
    endpoints: pods.map((pod) => ({ addresses: [addressOf(pod)], conditions: { ready: true }, targetRef: { kind: 'Pod', name: pod.name, namespace: 'default' } })),
  });
  const spec = { clusterIP: clusterIPs[0], clusterIPs, ipFamilies: ['IPv4', 'IPv6'], selector: { app: pods[0]?.labels['app'] }, ports: written };
  return [{ apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'default' }, spec }, slice('IPv4', ({ ip }) => ip), slice('IPv6', ({ ip6 }) => ip6)];
}

/** Namespaces joined by a bridge that is in one of its own, where what is on the wire can be read. */
export class Mesh {
  readonly t: TestScope;
  /** Of the test's own, readable by the proxy's user: the snapshot and the certificates. */
  readonly folder: string;
  readonly pods: Pod[] = [];
  readonly #node: Namespace;

  constructor(t: TestScope) {
    this.t = t;
    this.folder = mkdtempSync(join(tmpdir(), 'outrider-mesh-'));
    chmodSync(this.folder, 0o755);
    t.teardown(() => rmSync(this.folder, { recursive: true, force: true }));
    this.#node = new Namespace(t);
    this.#node.must('ip', 'link', 'add', 'br0', 'type', 'bridge');
    assign(this.#node, 'br0', ['10.244.0.1/16', 'fd00:244::1/64']);
  }

  /** A pod with an address of each family and a way to every service address; `labels` beyond `app`. */
  pod(name: string, { app = name, labels = {}, sidecar = true }: { readonly app?: string; readonly labels?: Readonly<Record<string, string>>; readonly sidecar?: boolean } = {}): Pod {
    const number = this.pods.length + 10;
    const pod = new Pod(this, { name, number, labels: { app, ...labels, ...(sidecar && { 'security.istio.io/tlsMode': 'istio' }) } });
    plug(pod.namespace, { namespace: this.#node, bridge: 'br0', port: `v${number}` }, 'eth0', [`${pod.ip}/16`, `${pod.ip6}/64`]);
    pod.namespace.must('ip', 'route', 'add', 'default', 'via', '10.244.0.1');
    pod.namespace.must('ip', '-6', 'route', 'add', 'default', 'via', 'fd00:244::1');
    this.pods.push(pod);
    return pod;
  }

  /** What every pod's resolver knows, as a cluster's DNS would: names of services to their addresses. */
  resolve(hosts: Readonly<Record<string, readonly string[]>>): void {
    for (const pod of this.pods) pod.namespace.resolve(hosts);
  }

  get snapshot(): string {
    return join(this.folder, 'snapshot.yaml');
  }

  /** Writes the snapshot that all sidecars read, with the pods of the mesh, and waits until those that run have taken it. */
  async configure(resources: readonly ResourceObject[]): Promise<void> {
    const running = this.pods.flatMap(({ sidecar }) => sidecar ?? []);
    const before = running.map((sidecar) => sidecar.configStatus());
    const file = `${this.snapshot}.new`;
    writeFileSync(file, renderResources([...this.pods.map((pod) => pod.resource()), ...resources]), { mode: 0o644 });
    renameSync(file, this.snapshot);
    for (const [index, sidecar] of running.entries()) {
      const { accepted, rejected } = before[index] ?? { accepted: 0, rejected: 0 };
      await eventually(() => {
        const now = sidecar.configStatus();
        if (now.rejected > rejected) throw new Error(`the snapshot was refused: ${now.problems.join('\n')}`);
        return now.accepted > accepted;
      }, `${sidecar.pod.name} to take the new snapshot`, START_LIMIT_MS);
    }
  }

  /** A new certificate for each service account `default/NAME`, by the same local CA each time. */
  async issue(...accounts: readonly string[]): Promise<void> {
    await this.#issueTo('certs', accounts.map((account) => `default/${account}`));
  }

  /** A server's certificate for a DNS name; its folder. */
  async issueNamed(name: string): Promise<string> {
    await this.#issueTo('certs', [`dns:${name}`]);
    return join(this.folder, 'certs', name);
  }

  /** A certificate for the same identity, but of another authority; its folder. */
  async foreign(account: string): Promise<string> {
    await this.#issueTo('foreign', [`default/${account}`]);
    return join(this.folder, 'foreign', 'default', account);
  }

  certs(account: string): string {
    return join(this.folder, 'certs', 'default', account);
  }

  /** Everything that crosses the bridge from here on. */
  async capture(): Promise<Capture> {
    const child = this.#node.spawn('tcpdump', ['-i', 'br0', '-s', '0', '-B', '16384', '-U', '-Z', 'root', '-w', '-', 'tcp']);
    let stderr = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const capture = new Capture(child);
    await eventually(() => stderr.includes('listening on'), `tcpdump to listen; it said ${stderr}`);
    return capture;
  }

  async #issueTo(name: string, identities: readonly string[]): Promise<void> {
    const folder = join(this.folder, name);
    if (!existsSync(folder)) {
      mkdirSync(folder);
      chownSync(folder, PROXY_USER, PROXY_USER);
    }
    const [program = '', ...args] = asProxy(['certs', '--out', folder, ...identities]);
    const issued = await this.#node.complete(program, args);
    if (issued.code !== 0) throw new Error(issued.stderr);
  }
}

/** What crossed the wire, frame headers and all. */
export class Capture {
  readonly #child: ChildProcess;
  readonly #chunks: Buffer[] = [];

  constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.on('data', (chunk: Buffer) => this.#chunks.push(chunk));
  }

  /** Waits until `marker` has crossed too, so that all before it has been read; then ends and returns the bytes. */
  async upTo(marker: string): Promise<Buffer> {
    await eventually(() => Buffer.concat(this.#chunks).includes(marker), `${marker} on the wire`);
    const closed = new Promise((resolve) => this.#child.once('close', resolve));
    this.#child.kill('SIGINT');
    await inTime(closed, 'tcpdump to end');
    return Buffer.concat(this.#chunks);
  }
}

/** A program at work in a pod. */
export interface Started {
  /** Waits until it has said `part`; all that it has said so far. */
  until(part: string): Promise<string>;
}

/** One pod: what runs in it sees only its own addresses and rules. */
export class Pod {
  readonly name: string;
  readonly ip: string;
  readonly ip6: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly namespace: Namespace;
  /** While it runs. */
  sidecar: Sidecar | undefined;
  readonly #mesh: Mesh;

  constructor(mesh: Mesh, { name, number, labels }: { readonly name: string; readonly number: number; readonly labels: Readonly<Record<string, string>> }) {
    this.#mesh = mesh;
    this.name = name;
    this.labels = labels;
    this.ip = `10.244.0.${number}`;
    this.ip6 = `fd00:244::${number.toString(16)}`;
    this.namespace = new Namespace(mesh.t);
  }

  resource(): ResourceObject {
    const { name, labels, ip, ip6 } = this;
    return {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: 'default', labels },
      spec: { serviceAccountName: name, containers: [{ name: 'app' }] },
      status: { podIP: ip, podIPs: [{ ip }, { ip: ip6 }], phase: 'Running' },
    };
  }

  /** Redirects the pod's traffic, as the init container does. */
  intercept(...more: readonly string[]): void {
    this.namespace.must(process.execPath, MAIN, 'iptables', '--apply', ...CAPTURE_ALL, ...more);
  }

  /** `intercept`, then `outrider run` as user 1337 with the certificate of the service account that has the pod's name; ready when this resolves. */
  async inject(more: { readonly iptables?: readonly string[]; readonly run?: readonly string[] } = {}): Promise<Sidecar> {
    this.intercept(...(more.iptables ?? []));
    const { name } = this;
    const args = ['run', '--config', this.#mesh.snapshot, '--workload', `default/${name}`, '--certs', this.#mesh.certs(name), ...(more.run ?? [])];
    const [program = '', ...words] = asProxy(args);
    const sidecar = new Sidecar(this, this.namespace.spawn(program, words));
    this.sidecar = sidecar;
    await sidecar.ready();
    return sidecar;
  }

  /** Runs a program of the application to its end. */
  run(program: string, ...args: readonly string[]): Promise<Ran> {
    return this.namespace.complete(program, args);
  }

  /** curl's answer: the status (0 when there was none), the body, and curl's own exit code. */
  async curl(url: string, ...args: readonly string[]): Promise<{ readonly status: number; readonly body: string; readonly code: number | null }> {
    const { code, stdout } = await this.run('curl', '--silent', '--max-time', '20', '--noproxy', '*', '--write-out', '\n%{http_code}', ...args, url);
    const cut = stdout.lastIndexOf('\n');
    return { status: Number(stdout.slice(cut + 1)), body: stdout.slice(0, cut), code };
  }

  /** Starts a program and waits until it has said `ready`, on standard output or error; it ends with the test. */
  async start(program: string, args: readonly string[], ready: string): Promise<Started> {
    const child = this.namespace.spawn(program, args);
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (text: string) => (said += text));
    const until = (part: string): Promise<string> =>
      eventually(() => {
        if (said.includes(part)) return said;
        if (child.exitCode !== null) throw new Error(`${program} in ${this.name} ended with ${child.exitCode}: ${said}`);
        return undefined;
      }, `${program} in ${this.name} to say ${part}`, START_LIMIT_MS);
    await until(ready);
    return { until };
  }

  /** Starts a node program given as text and waits for its first line; it ends with the test. */
  serve(source: string, argument: unknown): Promise<void> {
    return this.namespace.serve(source, argument);
  }
}
