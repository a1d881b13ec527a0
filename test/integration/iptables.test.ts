/** `outrider iptables` on the kernel's own tables, each test in a network namespace of its own. */

import { existsSync, readdirSync, readFileSync, writeFileSync, chmodSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { MAIN, outrider } from '../support/command.ts';
import { join, Namespace, namespacesMissing, type Ran } from '../support/namespace.ts';
import type { TestScope } from '../support/scope.ts';
import { program } from '../support/programs.ts';

const skip = program('iptables-restore').missing || namespacesMissing();

const FOREIGN = `*nat
:MINE - [0:0]
-A PREROUTING -i foo -j RETURN
-A PREROUTING -p tcp -m tcp --dport 81 -j MINE
-A OUTPUT -o eth9 -j RETURN
-A OUTPUT -p tcp -m tcp --dport 81 -j MINE
-A MINE -j RETURN
COMMIT
*mangle
:ISTIO_OTHER - [0:0]
-A PREROUTING -i foo -j RETURN
-A OUTPUT -o foo -j RETURN
-A ISTIO_OTHER -j RETURN
COMMIT
*raw
-A OUTPUT -p udp -m udp --dport 99 -j ACCEPT
COMMIT
`;

/** A namespace in which others already have rules. */
function occupied(t: TestScope): Namespace {
  const pod = new Namespace(t);
  for (const restore of ['iptables-restore', 'ip6tables-restore']) pod.run(restore, ['--noflush'], { input: FOREIGN });
  return pod;
}

function outriderIn(pod: Namespace, args: readonly string[], env: Readonly<Record<string, string>> = {}): Ran {
  return pod.run(process.execPath, [MAIN, 'iptables', ...args], { env });
}

/** Both families' rules without dates and counters. */
function tables(pod: Namespace): string {
  const text = pod.must('iptables-save') + pod.must('ip6tables-save');
  return text.replace(/^#.*\n/gm, '').replace(/\[\d+:\d+\]/g, '');
}

t.test('apply twice is apply once, and clean leaves what was there', { skip }, async (t) => {
  const sets: readonly (readonly string[])[] = [
    [],
    ['-b', '*', '-i', '*', '-d', '15090,15021,15020', '-x', ''],
    ['-b', '80,8000:8010', '-i', '10.0.0.0/8,fd00::/8', '-o', '22', '-q', '443', '--dual-stack'],
    ['-b', '*', '-c', 'eth1,eth2', '-i', '*', '-k', 'vm0,vm1', '--dual-stack'],
    ['-c', 'foo', '-k', 'vm0', '-b', '*'],
    ['-m', 'TPROXY', '-b', '*', '-i', '*', '-c', 'eth1', '--drop-invalid', '--redirect-dns', '--capture-all-dns', '--dual-stack'],
    ['-m', 'TPROXY', '-t', '1400', '-r', '140', '-b', '80'],
    ['-u', '3,4', '-g', '1,2', '-i', '127.1.2.3/32'],
  ];
  const pod = occupied(t);
  const routes = (): string => pod.must('ip', 'rule') + pod.must('ip', '-6', 'rule') + pod.must('ip', '-6', 'addr', 'show', 'dev', 'lo');
  const before = [tables(pod), routes()];
  for (const [index, set] of sets.entries()) {
    const name = set.join(' ') || 'no options';
    t.match(outriderIn(pod, ['--apply', ...set]), { code: 0, stdout: '' }, name);
    const once = [tables(pod), routes()];
    t.match(once[0], '-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001');
    t.match(outriderIn(pod, ['--apply', ...set]), { code: 0 });
    t.same([tables(pod), routes()], once, 'again');
    t.match(outriderIn(pod, ['--clean', ...(index % 2 === 0 ? set : [])]), { code: 0 });
    t.same([tables(pod), routes()], before, 'clean');
  }
  t.match(outriderIn(pod, ['--cleanup-only']), { code: 0, stderr: /nothing to clean/ }, 'clean of the clean');
  t.same(tables(pod), before[0]);
});

t.test('what is applied replaces what was applied, among the rules of others', { skip }, async (t) => {
  const pod = occupied(t);
  const before = tables(pod);
  t.match(outriderIn(pod, ['--apply', '-m', 'TPROXY', '-b', '*', '-c', 'eth1', '--drop-invalid']), { code: 0 });
  t.match(outriderIn(pod, ['--apply', '-b', '*', '-i', '*']), { code: 0 });
  const replaced = tables(pod);
  t.notMatch(replaced, /TPROXY|ISTIO_DROP|CONNMARK|eth1/);
  t.notMatch(pod.must('ip', 'rule'), 'fwmark', 'the route has gone too');
  pod.must('iptables', '-t', 'nat', '-A', 'OUTPUT', '-p', 'udp', '--dport', '7', '-j', 'RETURN');
  pod.must('iptables', '-t', 'nat', '-A', 'ISTIO_OUTPUT', '-p', 'udp', '-j', 'RETURN');
  t.match(outriderIn(pod, ['--apply', '-b', '*', '-i', '*']), { code: 0 });
  const [ours, later] = ['-A OUTPUT -j ISTIO_OUTPUT', '-A OUTPUT -p udp -m udp --dport 7 -j RETURN'].map((line) => tables(pod).indexOf(line));
  t.ok(ours !== -1 && ours !== undefined && later !== undefined && ours < later, 'our jump keeps its place above what came later');
  t.notMatch(tables(pod), '-A ISTIO_OUTPUT -p udp -j RETURN', 'what was put into our chain has gone');
  pod.must('iptables', '-t', 'nat', '-A', 'MINE', '-j', 'ISTIO_REDIRECT');
  t.match(outriderIn(pod, ['--clean']), { code: 1, stderr: /chains of others jump to ours \(nat MINE\)/ });
  pod.must('iptables', '-t', 'nat', '-D', 'MINE', '-j', 'ISTIO_REDIRECT');
  pod.must('iptables', '-t', 'nat', '-D', 'OUTPUT', '-p', 'udp', '--dport', '7', '-j', 'RETURN');
  t.match(outriderIn(pod, ['--clean']), { code: 0 });
  t.equal(tables(pod), before);
});

t.test('the kind of iptables that the machine has rules in', { skip }, async (t) => {
  const pod = new Namespace(t);
  const legacy = (): string => pod.must('iptables-legacy-save', '-t', 'nat').replace(/^#.*\n/gm, '').replace(/\[\d+:\d+\]/g, '');
  const there = pod.run('iptables-legacy', ['-t', 'nat', '-A', 'OUTPUT', '-p', 'tcp', '--dport', '9', '-j', 'RETURN']).code === 0;
  // Newer kernels can do without: then there is only one kind, which the other tests use.
  if (!there) return t.comment('this kernel has no legacy tables');
  const before = legacy();
  t.match(outriderIn(pod, ['--apply', '-b', '*', '-c', 'eth1']), { code: 0, stderr: /\(legacy tables\)/ });
  t.match(legacy(), '-A PREROUTING -p tcp -j ISTIO_INBOUND');
  t.notMatch(tables(pod), 'ISTIO', 'and not in the other');
  const once = legacy();
  t.match(outriderIn(pod, ['--apply', '-b', '*', '-c', 'eth1']), { code: 0 });
  t.equal(legacy(), once);
  t.match(outriderIn(pod, ['--clean']), { code: 0 });
  t.equal(legacy(), before);
});

t.test('never half applied', { skip }, async (t) => {
  const pod = occupied(t);
  t.match(outriderIn(pod, ['--apply', '-b', '*', '-i', '*', '-c', 'eth1', '--dual-stack']), { code: 0 });
  const before = tables(pod);
  const folder = t.testdir({});
  const real = program('ip6tables-restore').path;
  /** In place of ip6tables-restore: takes its own text but not ours. */
  const failing = (name: string): void => {
    writeFileSync(joinPath(folder, name), `#!/bin/sh\ntext=$(cat)\ncase "$text" in *16001*) echo 'ip6tables-restore: line 9 failed.' >&2; exit 1;; esac\nprintf '%s\\n' "$text" | ${real} "$@"\n`);
    chmodSync(joinPath(folder, name), 0o755);
  };
  for (const name of ['ip6tables-restore', 'ip6tables-nft-restore', 'ip6tables-legacy-restore']) failing(name);
  const failed = outriderIn(pod, ['--apply', '-p', '16001', '-b', '80', '--dual-stack'], { PATH: `${folder}:${process.env['PATH'] ?? ''}` });
  t.match(failed, { code: 1, stdout: '', stderr: /^outrider iptables: ip6tables\S*-restore failed with 1: ip6tables-restore: line 9 failed\.; the rules are as they were before\n$/ });
  t.equal(tables(pod), before, 'IPv4 was put back');
  t.match(outriderIn(pod, ['--apply', '-b', '*', '-g', 'no_such_group_here']), { code: 1, stderr: /no_such_group_here.*the rules are as they were before\n$/s }, 'a group that the machine does not have');
  t.equal(tables(pod), before);
});

t.test('the kernel takes every golden set', { skip }, async (t) => {
  const pod = new Namespace(t);
  const beside = fileURLToPath(new URL('../../../test/golden/iptables', import.meta.url));
  const folder = existsSync(beside) ? beside : 'test/golden/iptables';
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.golden'))) {
    const text = readFileSync(joinPath(folder, file), 'utf8').split('\n---\n')[1] ?? '';
    // Names of groups are the machine's own.
    const [v4 = '', v6 = ''] = text.replace(/-owner (?:java|ftp)\b/g, '-owner 500').split('# IPv6\n');
    t.match(pod.run('iptables-restore', ['--noflush', '--test'], { input: v4 }), { code: 0 }, file);
    t.match(pod.run('ip6tables-restore', ['--noflush', '--test'], { input: v6 }), { code: 0 }, `${file}, IPv6`);
  }
});

/** Listens at each [port, label] on all addresses; says its label to whoever connects, and closes. */
const SERVER = `const net = require('node:net');
const listening = JSON.parse(process.argv[1]).map(([port, label]) => new Promise((resolve) => net.createServer((socket) => socket.on('error', () => {}).end(label)).listen(port, '::', resolve)));
Promise.all(listening).then(() => console.log('ready'));`;

/** Becomes the user, connects to each [host, port, local address], and prints what each said, or its error code. */
const CLIENT = `const net = require('node:net');
const { uid, to } = JSON.parse(process.argv[1]);
process.setgid(uid); process.setuid(uid);
Promise.all(to.map(([host, port, localAddress]) => new Promise((resolve) => {
  let text = '';
  const socket = net.connect({ host, port, ...(localAddress && { localAddress }), timeout: 5000 });
  socket.on('data', (data) => (text += data)).on('error', (error) => resolve(error.code)).on('end', () => resolve(text)).on('timeout', () => resolve('timeout'));
}))).then((said) => console.log(JSON.stringify(said)));`;

t.test('connections go where the rules say', { skip }, async (t) => {
  const [pod, outside] = [new Namespace(t), new Namespace(t)];
  join(pod, outside, 'eth0', [['10.77.0.2/24', '10.77.0.1/24'], ['fd77::2/64', 'fd77::1/64']]);
  join(pod, outside, 'net1', [['10.78.0.2/24', '10.78.0.1/24'], ['fd78::2/64', 'fd78::1/64']]);
  await pod.serve(SERVER, [[15001, 'outbound'], [15006, 'inbound'], [8080, 'application'], [9999, 'application']]);
  await outside.serve(SERVER, [[80, 'peer'], [5432, 'peer']]);

  type Destination = readonly [host: string, port: number, from?: string];
  const APPLICATION = 1000;
  const PROXY = 1337;
  const reached = (from: Namespace, uid: number, to: readonly Destination[]): unknown => from.ask(CLIENT, { uid, to });
  const both = (v4: Destination, v6: Destination): readonly Destination[] => [v4, v6];
  const peer = both(['10.77.0.1', 80], ['fd77::1', 80]);
  const inwards = both(['10.77.0.2', 8080], ['fd77::2', 8080]);

  t.same(reached(pod, APPLICATION, peer), ['peer', 'peer'], 'before');
  const before = tables(pod);
  t.match(outriderIn(pod, ['--apply', '-b', '*', '-d', '9999', '-i', '*', '-o', '5432', '-c', 'net1', '--dual-stack']), { code: 0 });

  const rows: readonly (readonly [what: string, from: Namespace, uid: number, to: readonly Destination[], expected: string])[] = [
    ["the application's connections are captured", pod, APPLICATION, peer, 'outbound'],
    ["root's too", pod, 0, peer, 'outbound'],
    ["the proxy's are not", pod, PROXY, peer, 'peer'],
    ['an excluded outbound port', pod, APPLICATION, both(['10.77.0.1', 5432], ['fd77::1', 5432]), 'peer'],
    ['an excluded interface', pod, APPLICATION, both(['10.78.0.1', 80], ['fd78::1', 80]), 'peer'],
    ['from outside to the application', outside, APPLICATION, inwards, 'inbound'],
    ['from outside, the uid means nothing', outside, PROXY, inwards, 'inbound'],
    ['from outside to an excluded port', outside, APPLICATION, both(['10.77.0.2', 9999], ['fd77::2', 9999]), 'application'],
    ['from outside by an excluded interface', outside, APPLICATION, both(['10.78.0.2', 8080], ['fd78::2', 8080]), 'application'],
    ['the application to itself by loopback', pod, APPLICATION, both(['127.0.0.1', 8080], ['::1', 8080]), 'application'],
    ['the application to itself by its address', pod, APPLICATION, inwards, 'application'],
    ['the proxy to its own pod goes through inbound', pod, PROXY, inwards, 'inbound'],
    ['but not to loopback', pod, PROXY, both(['127.0.0.1', 8080], ['::1', 8080]), 'application'],
    ['nor from 127.0.0.6 and ::6', pod, PROXY, both(['10.77.0.2', 8080, '127.0.0.6'], ['fd77::2', 8080, '::6']), 'application'],
  ];
  for (const [what, from, uid, to, expected] of rows) t.same(reached(from, uid, to), [expected, expected], what);

  t.match(outriderIn(pod, ['--clean']), { code: 0 });
  t.equal(tables(pod).replace(/^:.*\n/gm, ''), before.replace(/^:.*\n/gm, '') || '*nat\nCOMMIT\n*nat\nCOMMIT\n');
  t.same(reached(pod, APPLICATION, peer), ['peer', 'peer'], 'after');
  t.same(reached(outside, APPLICATION, inwards), ['application', 'application'], 'after');
});

t.test('IPv6 follows the first address', { skip }, async (t) => {
  const [pod, other] = [new Namespace(t), new Namespace(t)];
  t.notMatch(outriderIn(pod, ['--print']).stdout, '# IPv6', 'no address but loopback');
  join(pod, other, 'eth0', [['fd77::2/64', 'fd77::1/64']]);
  t.match(outriderIn(pod, ['--print']).stdout, /^# IPv4\n\*nat\n[\s\S]*COMMIT\n# IPv6\n\*nat\n[\s\S]*-s ::6\/128/, 'an IPv6 address only');
  pod.must('ip', 'addr', 'add', '10.77.0.2/24', 'dev', 'eth0');
  t.notMatch(outriderIn(pod, ['--print']).stdout, '# IPv6', 'IPv4 comes first');
  t.match(outriderIn(pod, ['--print', '--dual-stack']).stdout, '# IPv6', 'with --dual-stack');
  t.match(outriderIn(pod, ['--apply', '-b', '*', '--dual-stack']), { code: 0, stderr: 'outrider iptables: applied the rules for IPv4 and IPv6\n' });
  t.match(pod.must('ip', '-6', 'addr', 'show', 'dev', 'lo'), 'inet6 ::6/128');
  t.match(outriderIn(pod, ['--apply', '-b', '*']), { code: 0, stderr: 'outrider iptables: applied the rules for IPv4\n' });
  t.notMatch(pod.must('ip6tables-save'), 'ISTIO', 'what is not asked for any more is let go');
  t.notMatch(pod.must('ip', '-6', 'addr', 'show', 'dev', 'lo'), 'inet6 ::6/128');
  t.match(outriderIn(pod, ['--apply', '-b', '*', '--dual-stack']), { code: 0 });
  t.match(outriderIn(pod, ['--clean']), { code: 0, stderr: 'outrider iptables: removed the rules for IPv4 and IPv6\n' });
  t.notMatch(pod.must('ip', '-6', 'addr', 'show', 'dev', 'lo'), 'inet6 ::6/128');
});

t.test('without privilege or programs', { skip }, async (t) => {
  const pod = new Namespace(t);
  const drop = `process.setgid(65534); process.setuid(65534); process.argv.splice(1, 1); import(process.argv[1]);`;
  const powerless = pod.run(process.execPath, ['--input-type=commonjs', '-e', drop, '-', MAIN, 'iptables', '--apply', '-b', '*']);
  t.match(powerless, { code: 1, stderr: /^outrider iptables: no permission to change the rules: run as root, in a container with the capabilities NET_ADMIN and NET_RAW \(iptables/ });
  t.match(pod.run(process.execPath, ['--input-type=commonjs', '-e', drop, '-', MAIN, 'iptables', '--print']), { code: 0, stdout: /^# IPv4\n/ }, '--print needs none');
  const bare = (...args: readonly string[]): Ran => pod.run('env', [`PATH=${t.testdir({})}`, process.execPath, MAIN, 'iptables', ...args]);
  t.match(bare('--apply'), { code: 1, stdout: '', stderr: 'outrider iptables: iptables is not installed (iptables-save is not on the PATH): install the package iptables\n' });
  t.match(bare('--clean'), { code: 1, stderr: /iptables is not installed/ });
  t.match(bare('--print'), { code: 0, stdout: /^# IPv4\n/ });
});

t.test('the command line', async (t) => {
  const rows: [args: string[], code: number, stdout: RegExp, stderr: RegExp][] = [
    [['--print'], 0, /^# IPv4\n\*nat\n:ISTIO_INBOUND - \[0:0\]\n/, /^$/],
    [['--dry-run', '-b', '*'], 0, /-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT/, /^$/],
    [['--apply', '-n'], 0, /^# IPv4\n/, /^$/],
    [['--print', '--redirect-dns', '--capture-all-dns'], 0, /--to-ports 15053/, /warning: DNS goes to port 15053, where outrider run does not answer/],
    [['--print', '-m', 'TPROXY'], 0, /^# IPv4\n\*mangle/, /warning: TPROXY needs a proxy with transparent sockets/],
    [['--print', '-b', '80;reboot'], 2, /^$/, /^outrider iptables: --istio-inbound-ports: '80;reboot' is not a port \(1-65535\) or a range N:M\n$/],
    [['--print', '--apply'], 2, /^$/, /--print and --apply exclude each other/],
    [['--clean', '-n'], 2, /^$/, /--dry-run cannot tell/],
    [['apply'], 2, /^$/, /unexpected argument 'apply'/],
    [['--bogus'], 2, /^$/, /unknown option --bogus/],
    [['--cni-mode'], 2, /^$/, /--cni-mode is not supported: there is no CNI plugin/],
  ];
  const results = await Promise.all(rows.map(([args]) => outrider(['iptables', ...args])));
  for (const [index, [args, code, stdout, stderr]] of rows.entries()) t.match(results[index], { code, stdout, stderr }, args.join(' '));
});
