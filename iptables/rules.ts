/**
 * Options to rules: chain names, rules and their order as istio-iptables makes them (istio-api.md 15.3, whose row numbers
 * stand beside the steps). Pure; one address family at a time.
 */

import { CHAINS, PASSTHROUGH_SOURCE, type Family } from './constants.ts';
import { dnsRules } from './dns-rules.ts';
import type { CaptureOptions } from './options.ts';
import { append, insert, type Rule } from './rule.ts';
import { tproxyInboundRules, tproxyMarkRules } from './tproxy-rules.ts';
import { isLoopback, type Ranges } from './values.ts';

/** Every rule in the order in which it is applied. Without options nothing is captured, yet the chains are made. */
export function captureRules(options: CaptureOptions, family: Family): readonly Rule[] {
  return [
    ...excludedInterfaceRules(options),
    ...options.rerouteInterfaces.map((name) => insert('nat', 'PREROUTING', 1, `-i ${name} -j RETURN`)),
    ...(options.dropInvalid ? dropRules() : []),
    append('nat', CHAINS.inbound, `-p tcp --dport ${options.tunnelPort} -j RETURN`), // 1
    append('nat', CHAINS.redirect, `-p tcp -j REDIRECT --to-ports ${options.outboundPort}`), // 2
    append('nat', CHAINS.inRedirect, `-p tcp -j REDIRECT --to-ports ${options.inboundPort}`), // 3
    ...inboundRules(options, family),
    append('nat', 'OUTPUT', `-j ${CHAINS.output}`), // 7
    ...outboundPortExclusions(options),
    append('nat', CHAINS.output, `-o lo -s ${PASSTHROUGH_SOURCE[family]} -j RETURN`), // 9
    ...options.proxyUids.flatMap((uid) => proxyRules(options, family, 'uid', uid)), // 10-12
    ...options.proxyGids.flatMap((gid) => proxyRules(options, family, 'gid', gid)), // 13-15
    ...ownerGroupRules(options),
    ...dnsRules(options, family),
    ...outboundRules(options, family),
    ...(options.mode === 'TPROXY' ? tproxyMarkRules(options, loopbackOf(options, family), family) : []),
  ];
}

/** The range that counts as the application's own loopback. */
function loopbackOf(options: CaptureOptions, family: Family): string {
  return family === 'v4' ? options.loopbackRange : '::1/128';
}

/** 0 */
function excludedInterfaceRules({ excludeInterfaces, mode }: CaptureOptions): readonly Rule[] {
  const tables = mode === 'TPROXY' ? (['nat', 'mangle'] as const) : (['nat'] as const);
  return tables.flatMap((table) =>
    excludeInterfaces.flatMap((name) => [append(table, 'PREROUTING', `-i ${name} -j RETURN`), append(table, 'OUTPUT', `-o ${name} -j RETURN`)]),
  );
}

/** A packet outside the window of its connection would be answered by a reset from the wrong place. */
function dropRules(): readonly Rule[] {
  return [append('mangle', 'PREROUTING', `-m conntrack --ctstate INVALID -j ${CHAINS.drop}`), append('mangle', CHAINS.drop, '-j DROP')];
}

/** 4-6 */
function inboundRules(options: CaptureOptions, family: Family): readonly Rule[] {
  const { inboundPorts, inboundPortsExclude, mode } = options;
  if (inboundPorts.length === 0) return [];
  if (mode === 'TPROXY') return tproxyInboundRules(options, loopbackOf(options, family));
  const jump = append('nat', 'PREROUTING', `-p tcp -j ${CHAINS.inbound}`);
  if (inboundPorts !== '*') return [jump, ...inboundPorts.map((port) => append('nat', CHAINS.inbound, `-p tcp --dport ${port} -j ${CHAINS.inRedirect}`))];
  return [
    jump,
    ...inboundPortsExclude.map((port) => append('nat', CHAINS.inbound, `-p tcp --dport ${port} -j RETURN`)),
    append('nat', CHAINS.inbound, `-p tcp -j ${CHAINS.inRedirect}`),
  ];
}

/** 8, before the rules that send calls to oneself through the proxy. */
function outboundPortExclusions({ outboundPortsExclude }: CaptureOptions): readonly Rule[] {
  return outboundPortsExclude.flatMap((port) => ['tcp', 'udp'].map((protocol) => append('nat', CHAINS.output, `-p ${protocol} --dport ${port} -j RETURN`)));
}

/** 10-12 for a user, 13-15 for a group. */
function proxyRules(options: CaptureOptions, family: Family, kind: 'uid' | 'gid', id: string): readonly Rule[] {
  const dns = options.dns !== 'off';
  const owner = `-m owner --${kind}-owner ${id}`;
  const notOwner = `-m owner ! --${kind}-owner ${id}`;
  // What the DNS proxy asks a server on this machine must not come back to the inbound listener (Istio: uid only).
  const ports = dns && kind === 'uid' ? `-m multiport ! --dports 53,${options.tunnelPort}` : `! --dport ${options.tunnelPort}`;
  // A DNS server on loopback: what the application asks it over TCP is captured further down.
  const toItself = dns ? `-o lo -p tcp ! --dport 53 ${notOwner}` : `-o lo ${notOwner}`;
  return [
    append('nat', CHAINS.output, `-o lo ! -d ${loopbackOf(options, family)} -p tcp ${ports} ${owner} -j ${CHAINS.inRedirect}`),
    ...(includesLoopback(options.outboundRanges) ? [] : [append('nat', CHAINS.output, `${toItself} -j RETURN`)]),
    append('nat', CHAINS.output, `${owner} -j RETURN`),
  ];
}

/** A loopback range in either family drops the rule in both. */
function includesLoopback(ranges: '*' | Ranges): boolean {
  return ranges !== '*' && [...ranges.v4, ...ranges.v6].some(isLoopback);
}

/** 16 */
function ownerGroupRules({ ownerGroups }: CaptureOptions): readonly Rule[] {
  if ('except' in ownerGroups) return ownerGroups.except.map((group) => append('nat', CHAINS.output, `-m owner --gid-owner ${group} -j RETURN`));
  const noneOf = ownerGroups.only.map((group) => `-m owner ! --gid-owner ${group} `).join('');
  return [append('nat', CHAINS.output, `${noneOf}-j RETURN`)];
}

/** 18-21 */
function outboundRules(options: CaptureOptions, family: Family): readonly Rule[] {
  return [
    append('nat', CHAINS.output, `-d ${loopbackOf(options, family)} -j RETURN`),
    ...options.outboundRangesExclude[family].map((range) => append('nat', CHAINS.output, `-d ${range} -j RETURN`)),
    ...options.outboundPorts.map((port) => append('nat', CHAINS.output, `-p tcp --dport ${port} -j ${CHAINS.redirect}`)),
    ...(options.outboundRanges === '*' ? redirectRules(options, '') : options.outboundRanges[family].flatMap((range) => redirectRules(options, `-d ${range} `))),
  ];
}

/** What the application sends, and what virtual machines behind an interface send. */
function redirectRules({ rerouteInterfaces }: CaptureOptions, destination: string): readonly Rule[] {
  return [
    ...rerouteInterfaces.map((name) => insert('nat', 'PREROUTING', 1, `-i ${name} ${destination}-j ${CHAINS.redirect}`)),
    append('nat', CHAINS.output, `${destination}-j ${CHAINS.redirect}`),
  ];
}
