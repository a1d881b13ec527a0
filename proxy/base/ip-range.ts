/** IP addresses as numbers, and ranges of them (CIDR). */

import { isIP } from 'node:net';

export interface IpAddress {
  readonly family: 4 | 6;
  readonly value: bigint;
}

/** A range holds the addresses whose first `prefixLength` bits are those of `value`. */
export interface IpRange extends IpAddress {
  readonly prefixLength: number;
}

/** Undefined for what is no address. A v4-mapped address is the IPv4 address it stands for; a zone is left out. */
export function parseIpAddress(text: string): IpAddress | undefined {
  const family = isIP(text);
  if (family === 4) return { family, value: parseIpv4(text) };
  if (family !== 6) return undefined;
  const value = parseIpv6(text);
  return value >> 32n === 0xffffn ? { family: 4, value: value & 0xffff_ffffn } : { family, value };
}

/** `10.0.0.0/8`, `2001:db8::1/128`, or an address alone. Bits behind the prefix are ignored. */
export function parseIpRange(text: string): IpRange | undefined {
  const slash = text.indexOf('/');
  const address = parseIpAddress(slash < 0 ? text : text.slice(0, slash));
  if (address === undefined) return undefined;
  const bits = address.family === 4 ? 32 : 128;
  const prefixLength = slash < 0 ? bits : parsePrefixLength(text.slice(slash + 1), bits);
  return prefixLength === undefined ? undefined : { family: address.family, value: networkOf(address, prefixLength), prefixLength };
}

/** The address with the bits behind the prefix cleared. */
export function networkOf({ family, value }: IpAddress, prefixLength: number): bigint {
  const host = BigInt((family === 4 ? 32 : 128) - prefixLength);
  return (value >> host) << host;
}

function parsePrefixLength(text: string, bits: number): number | undefined {
  const length = /^\d{1,3}$/.test(text) ? Number(text) : -1;
  return length >= 0 && length <= bits ? length : undefined;
}

function parseIpv4(text: string): bigint {
  let value = 0;
  for (const part of text.split('.')) value = value * 256 + Number(part);
  return BigInt(value);
}

/** `text` is known to be an IPv6 address. */
function parseIpv6(text: string): bigint {
  const zone = text.indexOf('%');
  const [head = '', tail] = (zone < 0 ? text : text.slice(0, zone)).split('::');
  const before = groupsOf(head);
  const after = tail === undefined ? [] : groupsOf(tail);
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => 0n);
  return [...before, ...zeros, ...after].reduce((value, group) => (value << 16n) | group, 0n);
}

function groupsOf(text: string): bigint[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [BigInt(`0x${group}`)];
    const last = parseIpv4(group);
    return [last >> 16n, last & 0xffffn];
  });
}
