/** Connections that iptables redirects: their destination found, v4 and v6, one process and several, and no loop. Needs root. */

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync, existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import t from 'tap';
import { MAIN } from '../support/command.ts';
import { join, Namespace, namespacesMissing } from '../support/namespace.ts';
import { program } from '../support/programs.ts';
import { eventually, type TestScope } from '../support/scope.ts';

const skip = program('iptables').missing || program('ip6tables').missing || namespacesMissing();

const SNAPSHOT = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: bytes, namespace: default}
spec:
  hosts: [bytes.example]
  addresses: [10.77.0.5, "fd77::5"]
  ports: [{number: 5001, name: tcp, protocol: TCP}]
  resolution: STATIC
  endpoints: [{address: 10.77.0.1, ports: {tcp: 6001}}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: web, namespace: default}
spec:
  hosts: [web.example]
  addresses: [10.77.0.6, "fd77::6"]
  ports: [{number: 5002, name: http, protocol: HTTP}]
  resolution: STATIC
  endpoints: [{address: 10.77.0.1, ports: {http: 6002}}]
---
apiVersion: v1
kind: Service
metadata: {name: app, namespace: default}
spec:
  selector: {app: app}
  clusterIP: 10.96.0.9
  ports: [{name: tcp-app, port: 7001, targetPort: 7001}, {name: http-app, port: 7002, targetPort: 7002}]
`;

/** Servers on every address that say where they were asked and who asked, first; an HTTP server says so in its answer. */
const SERVERS = `
const net = require('node:net');
const http = require('node:http');
const { bytes, web } = JSON.parse(process.argv[1]);
const said = (socket) => JSON.stringify({ port: socket.localPort, from: socket.remoteAddress.replace('::ffff:', '') });
let left = bytes.length + web.length;
const ready = () => { left -= 1; if (left === 0) console.log('ready'); };
for (const port of bytes) net.createServer((socket) => { socket.on('error', () => {}); socket.end(said(socket)); }).listen(port, '::', ready);
for (const port of web) http.createServer((request, response) => response.end(said(request.socket))).listen(port, '::', ready);
`;

/** Connects, sends, and prints what came until the end, with an error's code behind it. */
const CLIENT = `
const { address, port, send } = JSON.parse(process.argv[1]);
let text = '';
const socket = require('node:net').connect({ host: address, port });
socket.on('connect', () => { if (send !== '') socket.write(send); });
socket.on('data', (bytes) => { text += bytes; });
socket.on('error', (error) => { text += ' ' + error.code; });
socket.on('close', () => console.log(JSON.stringify(text)));
setTimeout(() => { text += ' LATE'; socket.destroy(); }, 8000).unref();
`;

const ask = (path = '/', host = 'web.example'): string => `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;

interface Pod {
  readonly inside: Namespace;
  readonly outside: Namespace;
  readonly log: () => string;
  readonly pid: number;
  /** What a client elsewhere gets from that address. */
  get(address: string, port: number, send?: string): string;
}

async function startPod(t: TestScope, args: readonly string[]): Promise<Pod> {
  const inside = new Namespace(t);
  const outside = new Namespace(t);
  join(inside, outside, 'eth0', [['10.77.0.1/24', '10.77.0.2/24'], ['fd77::1/64', 'fd77::2/64']]);
  for (const address of ['10.77.0.5/32', '10.77.0.6/32', '10.77.0.7/32', 'fd77::5/128', 'fd77::6/128', 'fd77::7/128']) inside.must('ip', 'addr', 'add', address, 'dev', 'eth0', ...(address.includes(':') ? ['nodad'] : []));
  inside.must('ip', 'addr', 'add', '::6/128', 'dev', 'lo', 'nodad');
  await inside.serve(SERVERS, { bytes: [6001, 5003, 7001, 7003], web: [6002, 7002] });
  const folder = mkdtempSync(joinPath(tmpdir(), 'outrider-interception-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(joinPath(folder, 'mesh.yaml'), SNAPSHOT);
  const ready = joinPath(folder, 'ready.json');
  const log = joinPath(folder, 'access.log');
  const child = spawn(
    'ip',
    ['netns', 'exec', inside.name, process.execPath, MAIN, 'run', '--config', joinPath(folder, 'mesh.yaml'), '--bind', '::', '--labels', 'app=app', '--ready-file', ready, '--access-log', log, '--drain-time', '1s', ...args],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  t.teardown(async () => {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  });
  await eventually(() => existsSync(ready), 'the proxy to be ready', 30_000);
  return {
    inside,
    outside,
    pid: child.pid as number,
    log: () => (existsSync(log) ? readFileSync(log, 'utf8') : ''),
    get: (address, port, send = '') => outside.ask(CLIENT, { address, port, send }) as string,
  };
}

/** What comes from elsewhere is redirected; the proxy's own connections are not. */
function redirect(pod: Pod): void {
  for (const iptables of ['iptables', 'ip6tables']) {
    pod.inside.must(iptables, '-t', 'nat', '-A', 'PREROUTING', '-p', 'tcp', '--dport', '5000:5999', '-j', 'REDIRECT', '--to-ports', '15001');
    pod.inside.must(iptables, '-t', 'nat', '-A', 'PREROUTING', '-p', 'tcp', '--dport', '7000:7999', '-j', 'REDIRECT', '--to-ports', '15006');
  }
}

const WAYS = [
  ['one process', ['--ip', '10.77.0.1']],
  ['two workers, a workload with an IPv6 address', ['--ip', 'fd77::1', '--concurrency', '2']],
] as const;

for (const [name, args] of WAYS) {
  t.test(`redirected connections: ${name}`, { skip }, async (t) => {
    const pod = await startPod(t, args);
    t.match(pod.get('10.77.0.1', 15_001, ask()), /^HTTP\/1\.1 /, 'before anything was redirected the port is an HTTP proxy');
    redirect(pod);
    // Twice each, so that every worker has its turn.
    for (let turn = 0; turn < 2; turn++) {
      for (const [own, bytes, web, other] of [['10.77.0.1', '10.77.0.5', '10.77.0.6', '10.77.0.7'], ['fd77::1', 'fd77::5', 'fd77::6', 'fd77::7']] as const) {
        // The application is reached at the address that was asked for, from the magic one of its family.
        const magic = own.includes(':') ? '::6' : '127.0.0.6';
        t.match(pod.get(bytes, 5001), /"port":6001/, `${bytes}: a server that speaks first, by its service address`);
        t.match(pod.get(web, 5002, ask()), /^HTTP\/1\.1 200 [^]*"port":6002/, `${web}: HTTP`);
        t.match(pod.get(other, 5003, 'x'), /"port":5003/, `${other}: unknown destinations are passed through`);
        t.match(pod.get(own, 7001, 'x'), `"port":7001,"from":"${magic}"`, `${own}: inbound bytes come from ${magic}`);
        t.match(pod.get(own, 7002, ask('/', 'app')), `"port":7002,"from":"${magic}"`, `${own}: inbound HTTP too`);
        t.match(pod.get(own, 7003, 'x\n'), `"port":7003,"from":"${magic}"`, `${own}: a port that no Service has`);
      }
    }
    await eventually(() => pod.log().includes('inbound|7001||') && pod.log().includes('PassthroughCluster'), 'the access log');
    t.match(pod.log(), /"- - -" 0 - .* 10\.77\.0\.5:5001 10\.77\.0\.2:\d+/, 'the log has the address that was dialled and who dialled');
    t.match(pod.get('10.77.0.1', 15_001, ask()), /^$|ECONNRESET/, 'the capture port itself is served no more');
    t.match(pod.get('10.77.0.1', 15_006, ask()), /^$|ECONNRESET/);
    await eventually(() => pod.log().includes('direct_connection_to_capture_port'), 'the refusal to be logged');
  });
}

t.test('connections redirected on their way to the proxy itself do not go round', { skip }, async (t) => {
  const pod = await startPod(t, ['--ip', '10.77.0.1', '--interception', 'redirect']);
  t.match(pod.get('10.77.0.1', 15_001, ask()), /^$|ECONNRESET/, 'where rules are known to be there, nobody may use the port directly');
  for (const port of [15_001, 15_006]) pod.inside.must('iptables', '-t', 'nat', '-A', 'PREROUTING', '-p', 'tcp', '-d', '10.77.0.5', '--dport', String(port), '-j', 'REDIRECT', '--to-ports', '15001');
  t.match(pod.get('10.77.0.5', 15_001, ask()), /^$|ECONNRESET/);
  t.match(pod.get('10.77.0.5', 15_006, ask()), /^$|ECONNRESET/);
  await eventually(() => pod.log().split('redirect_loop').length === 3, 'both loops to be logged');
});

t.test('--interception none never asks', { skip }, async (t) => {
  const pod = await startPod(t, ['--ip', '10.77.0.1', '--interception', 'none']);
  redirect(pod);
  t.match(pod.get('10.77.0.6', 5002, ask('/', 'web.example:5002')), /"port":6002/, 'only the Host says where it is going');
  t.match(pod.get('10.77.0.1', 15_001, ask('/', 'web.example:5002')), /"port":6002/);
});
