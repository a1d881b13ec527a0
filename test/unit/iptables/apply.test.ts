/** Which programs are run, with what, and what is said when one of them fails; on a machine made of a table. */

import t from 'tap';
import { applyCapture, cleanCapture, type ProgramResult, type RunProgram } from '../../../iptables/apply.ts';
import { chooseVariant, firstAddressIsV6, parseIfInet6, parseNameServers, uidOf } from '../../../iptables/detect.ts';
import { parseCaptureOptions, type CaptureOptions } from '../../../iptables/options.ts';
import { parseSaved } from '../../../iptables/saved.ts';

const ON = { kernel: 'on', hasPassthroughAddress: false } as const;

function options(given: Readonly<Record<string, string>> = {}): CaptureOptions {
  const parsed = parseCaptureOptions(new Map(Object.entries(given)), {}, { firstAddressIsV6: false, nameServers: { v4: [], v6: [] } });
  if (!parsed.ok) throw new Error(parsed.message);
  return parsed.value;
}

type Answer = readonly [pattern: RegExp, answer: ProgramResult];

/** Answers by the first row whose pattern the command line matches; all else succeeds silently. */
function machine(...rows: readonly Answer[]): { readonly run: RunProgram; readonly ran: string[]; readonly inputs: string[] } {
  const [ran, inputs]: [string[], string[]] = [[], []];
  const run: RunProgram = (program, args, input) => {
    const line = [program, ...args].join(' ');
    ran.push(line);
    if (input !== undefined) inputs.push(input);
    return rows.find(([pattern]) => pattern.test(line))?.[1] ?? { code: 0, stdout: '', stderr: '' };
  };
  return { run, ran, inputs };
}

const failed = (stderr: string, code = 1): ProgramResult => ({ code, stdout: '', stderr });
const changes = (ran: readonly string[]): readonly string[] => ran.filter((line) => !/-save$|show$/.test(line));

t.test('one transaction for each family, waiting for the lock', async (t) => {
  const v4 = machine();
  t.same(applyCapture(options(), v4.run, ON), { ok: true, notes: ['applied the rules for IPv4'] });
  t.same(changes(v4.ran), ['iptables-restore --noflush -w 30']);
  const both = machine();
  t.match(applyCapture(options({ 'dual-stack': 'true' }), both.run, ON), { ok: true, notes: ['applied the rules for IPv4 and IPv6'] });
  t.same(changes(both.ran), ['ip -6 addr add ::6/128 dev lo', 'iptables-restore --noflush -w 30', 'ip6tables-restore --noflush -w 30']);
  t.match(both.inputs, [/-s 127\.0\.0\.6\/32/, /-s ::6\/128/]);
  const there = machine();
  applyCapture(options({ 'dual-stack': 'true' }), there.run, { kernel: 'on', hasPassthroughAddress: true });
  t.equal(changes(there.ran).length, 2, 'the address is there already');
  t.match(applyCapture(options({ 'dual-stack': 'true' }), machine().run, { kernel: 'absent', hasPassthroughAddress: false }), { ok: true, notes: ['applied the rules for IPv4', /kernel has no IPv6/] });
});

t.test('TPROXY needs a route', async (t) => {
  const tproxy = options({ 'istio-inbound-interception-mode': 'TPROXY', 'istio-inbound-ports': '*' });
  const first = machine();
  applyCapture(tproxy, first.run, ON);
  t.same(changes(first.ran), ['ip -4 rule add fwmark 1337 lookup 133', 'ip -4 route add local default dev lo table 133', 'iptables-restore --noflush -w 30']);
  const again = machine([/rule show/, { code: 0, stdout: '32765:\tfrom all fwmark 0x539 lookup 133\n', stderr: '' }], [/route add/, failed('RTNETLINK answers: File exists', 2)]);
  t.match(applyCapture(tproxy, again.run, ON), { ok: true });
  t.notOk(again.ran.includes('ip -4 rule add fwmark 1337 lookup 133'), 'ip would add it twice');
  const broken = machine([/restore/, failed('line 3 failed')]);
  t.match(applyCapture(tproxy, broken.run, ON), { ok: false });
  t.same(changes(broken.ran).slice(-2), ['ip -4 route del local default dev lo table 133', 'ip -4 rule del fwmark 1337 lookup 133'], 'the steps are taken back');
});

t.test('what stands in the way is said, and nothing is left behind', async (t) => {
  const dual = options({ 'dual-stack': 'true' });
  const rows: [what: string, rows: readonly Answer[], message: RegExp][] = [
    ['no iptables', [[/./, 'missing']], /^iptables is not installed/],
    ['no ip6tables', [[/^ip6/, 'missing']], /^ip6tables is not installed .*this host has IPv6/],
    ['no ip', [[/^ip /, 'missing']], /^ip is not installed \(package iproute2\) \(adding ::6 to lo, .*\); nothing was applied$/],
    ['no privilege', [[/save$/, failed('iptables-save v1.8.9 (nf_tables): Could not fetch rule set generation id: Permission denied (you must be root)', 4)]], /^no permission to change the rules: run as root.*NET_ADMIN/],
    ['legacy without privilege', [[/restore/, failed("iptables-restore v1.8.9 (legacy): iptables-restore: unable to initialize table 'nat'\n\nError occurred at line: 1\nPermission denied (you must be root)\nTry `iptables-restore -h' for more.", 3)]], /^no permission/],
    ['a lock that is not let go', [[/^iptables-restore/, failed('Another app is currently holding the xtables lock; still 0s 0us time ahead to have a chance to grab the lock...', 4)]], /^iptables-restore failed with 4: Another app.*; the rules are as they were before$/],
    ['the second family', [[/^ip6tables-restore/, failed('line 9 failed\nTry `ip6tables-restore -h\'')]], /^ip6tables-restore failed with 1: line 9 failed; the rules are as they were before$/],
  ];
  for (const [what, answers, message] of rows) t.match(applyCapture(dual, machine(...answers).run, ON), { ok: false, message }, what);
  const second = machine([/^ip6tables-restore/, failed('no')]);
  applyCapture(dual, second.run, ON);
  t.equal(changes(second.ran).at(-1), 'ip -6 addr del ::6/128 dev lo');
});

const OURS = '*nat\n:OUTPUT ACCEPT [0:0]\n:ISTIO_OUTPUT - [0:0]\n-A OUTPUT -j ISTIO_OUTPUT\nCOMMIT\n';

t.test('a roll back that fails says what to do', async (t) => {
  let restores = 0;
  const run: RunProgram = (program) => {
    if (/save/.test(program)) return { code: 0, stdout: restores > 0 ? OURS : '', stderr: '' };
    return program === 'ip' || restores++ === 0 ? { code: 0, stdout: '', stderr: '' } : failed('kernel says no');
  };
  t.match(applyCapture(options({ 'dual-stack': 'true' }), run, ON), { ok: false, message: /the rules for IPv6 and IPv4 could not be put back: run outrider iptables --clean$/ });
});

t.test('clean', async (t) => {
  t.same(cleanCapture(options(), machine().run, ON), { ok: true, notes: ['nothing to clean: there are no rules of ours'] });
  const one = machine([/^ip6.*save/, 'missing'], [/save/, { code: 0, stdout: OURS, stderr: '' }]);
  t.same(cleanCapture(options(), one.run, ON), { ok: true, notes: ['removed the rules for IPv4'] }, 'without ip6tables there are no rules for IPv6');
  t.same(one.inputs, ['*nat\n:ISTIO_OUTPUT - [0:0]\n-D OUTPUT -j ISTIO_OUTPUT\n-X ISTIO_OUTPUT\nCOMMIT\n']);
  const two = machine([/save/, { code: 0, stdout: OURS, stderr: '' }]);
  cleanCapture(options(), two.run, { kernel: 'on', hasPassthroughAddress: true });
  t.equal(changes(two.ran).at(-1), 'ip -6 addr del ::6/128 dev lo');
  t.match(cleanCapture(options(), machine([/save/, failed('Permission denied')]).run, ON), { ok: false, message: /^no permission/ });
});

t.test('which kind of iptables', async (t) => {
  const state = (variant: '-nft' | '-legacy' | '', text: string): { variant: '-nft' | '-legacy' | ''; saved: ReturnType<typeof parseSaved> } => ({ variant, saved: parseSaved(text) });
  const foreign = '*nat\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -j RETURN\n-A OUTPUT -j ACCEPT\nCOMMIT\n';
  t.equal(chooseVariant([state('-nft', ''), state('-legacy', ''), state('', '')])?.variant, '', "without rules the machine's own choice");
  t.equal(chooseVariant([state('-nft', ''), state('-legacy', foreign), state('', '')])?.variant, '-legacy', 'where rules are');
  t.equal(chooseVariant([state('-nft', OURS), state('-legacy', foreign), state('', OURS)])?.variant, '-nft', 'where ours are');
  t.equal(chooseVariant([]), undefined);
});

t.test('facts of the machine', async (t) => {
  t.equal(firstAddressIsV6([]), false);
  t.equal(firstAddressIsV6(['127.0.0.1', '::1', 'fe80::1', '169.254.1.1', '0000:0000:0000:0000:0000:0000:0000:0006']), false);
  t.equal(firstAddressIsV6(['127.0.0.1', 'fd00::1']), true);
  t.equal(firstAddressIsV6(['fd00::1', '10.0.0.1']), false, 'the kernel lists IPv4 first');
  t.same(parseNameServers('# nameserver 9.9.9.9\nnameserver 10.96.0.10\n  nameserver\tfd00::10\nnameserver fe80::1%eth0\nsearch x\n'), { v4: ['10.96.0.10'], v6: ['fd00::10'] });
  t.equal(uidOf('root:x:0:0::/:/bin/sh\nistio-proxy:x:1001:1001::/:/bin/false\n', 'istio-proxy'), '1001');
  t.equal(uidOf('root:x:0:0\n', 'istio-proxy'), undefined);
  t.same(parseIfInet6('00000000000000000000000000000006 01 80 00 80       lo\nbad\n'), [{ address: '0000:0000:0000:0000:0000:0000:0000:0006', device: 'lo' }]);
});
