/** What the machine is like: its addresses, name servers and proxy user, and which of two kinds of iptables rules it has. */

import { readFileSync } from 'node:fs';
import { isIPv4, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { OWN_CHAINS, type Family } from './constants.ts';
import type { HostFacts } from './options.ts';
import { countRules, type SavedRules } from './saved.ts';

/** Facts that defaults depend on; `user` is the name of the proxy's user (`ENVOY_USER`, istio-proxy). */
export function detectHost(user: string): HostFacts {
  const proxyUid = uidOf(readText('/etc/passwd'), user);
  return {
    ...(proxyUid === undefined ? {} : { proxyUid }),
    firstAddressIsV6: firstAddressIsV6(hostAddresses()),
    nameServers: parseNameServers(readText('/etc/resolv.conf')),
  };
}

/** The kernel lists IPv4 addresses before IPv6 ones, so the first is IPv6 only where no other exists. */
export function firstAddressIsV6(addresses: readonly string[]): boolean {
  const usable = addresses.filter((address) => !isLocal(address));
  return usable.length > 0 && !usable.some((address) => isIPv4(address));
}

/** `nameserver` lines; zones (`fe80::1%eth0`) mean nothing to iptables and are left out. */
export function parseNameServers(resolvConf: string): HostFacts['nameServers'] {
  const servers = [...resolvConf.matchAll(/^\s*nameserver\s+(\S+)/gm)].map(([, server = '']) => server);
  return { v4: servers.filter((server) => isIPv4(server)), v6: servers.filter((server) => isIPv6(server) && !server.includes('%')) };
}

/** Numeric user of a name in the form of /etc/passwd. */
export function uidOf(passwd: string, user: string): string | undefined {
  const line = passwd.split('\n').find((candidate) => candidate.startsWith(`${user}:`));
  const uid = line?.split(':')[2];
  return uid !== undefined && /^\d+$/.test(uid) ? uid : undefined;
}

/** Whether the kernel has IPv6, and whether it is on: without it there is nothing to capture and nowhere to put an address. */
export function detectIPv6(): 'on' | 'off' | 'absent' {
  const disabled = readText('/proc/sys/net/ipv6/conf/lo/disable_ipv6').trim();
  if (disabled === '') return 'absent';
  return disabled === '0' ? 'on' : 'off';
}

/** IPv6 addresses in the form of /proc/net/if_inet6, with those of interfaces that have no carrier yet. */
export function parseIfInet6(text: string): readonly { readonly address: string; readonly device: string }[] {
  return text.split('\n').flatMap((line) => {
    const [, digits = '', device = ''] = /^([0-9a-f]{32}) +[0-9a-f]+ +[0-9a-f]+ +[0-9a-f]+ +[0-9a-f]+ +(\S+)$/.exec(line) ?? [];
    return digits === '' ? [] : [{ address: (digits.match(/.{4}/g) ?? []).join(':'), device }];
  });
}

/** Whether `lo` has the address from which the proxy reaches the application over IPv6. */
export function hasPassthroughAddress(): boolean {
  return parseIfInet6(readText('/proc/net/if_inet6')).some(({ address, device }) => device === 'lo' && /^(?:0000:){7}0006$/.test(address));
}

/** iptables' two kernel interfaces, whose rules do not see each other, and the one that the machine calls `iptables`. */
export const VARIANTS = ['-nft', '-legacy', ''] as const;
export type Variant = (typeof VARIANTS)[number];

/** What iptables-save of one variant printed. */
export interface VariantState {
  readonly variant: Variant;
  readonly saved: SavedRules;
}

/** The variant that has rules of ours, else the one with the most rules, else the machine's own choice. */
export function chooseVariant(states: readonly VariantState[]): VariantState | undefined {
  const ours = states.find(({ saved }) => [...saved.values()].some(({ chains }) => [...chains.keys()].some((name) => OWN_CHAINS.has(name))));
  if (ours !== undefined) return ours;
  const fullest = [...states].sort((a, b) => countRules(b.saved) - countRules(a.saved))[0];
  if (fullest !== undefined && countRules(fullest.saved) > 0) return fullest;
  return states.find(({ variant }) => variant === '') ?? states[0];
}

/** `iptables-nft-save`, `ip6tables-restore`, … */
export function programName(family: Family, variant: Variant, action: 'save' | 'restore'): string {
  return `${family === 'v4' ? 'iptables' : 'ip6tables'}${variant}-${action}`;
}

function hostAddresses(): readonly string[] {
  const up = Object.values(networkInterfaces()).flatMap((addresses) => (addresses ?? []).map(({ address }) => address));
  return [...up, ...parseIfInet6(readText('/proc/net/if_inet6')).map(({ address }) => address)];
}

/** Loopback and link-local, which are no address of a pod. */
function isLocal(address: string): boolean {
  return /^(?:127\.|169\.254\.|fe[89ab][0-9a-f]:|ff|::1$|(?:0000:){7}000[16]$|::6$)/i.test(address);
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
