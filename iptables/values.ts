/**
 * Values of interception options as istio-iptables and its annotations write them, each to a typed value or one line of
 * what is wrong. Every value ends up in the text that iptables-restore reads as root, so nothing passes unchecked.
 */

import { isIPv4, isIPv6, SocketAddress } from 'node:net';

export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly message: string };

/** Every one (`*`), or those listed. */
export type Selection<T> = '*' | readonly T[];

/** Address ranges by family, as CIDR text in the order given. */
export interface Ranges {
  readonly v4: readonly string[];
  readonly v6: readonly string[];
}

export const NO_RANGES: Ranges = { v4: [], v6: [] };

/** Comma-separated parts; spaces around a part and empty parts (a trailing comma) are dropped. */
export function splitList(text: string): readonly string[] {
  return text.split(',').map((part) => part.trim()).filter((part) => part !== '');
}

/** One TCP port, 1 to 65535. */
export function parsePort(text: string): Parsed<number> {
  const port = Number(text);
  const valid = /^\d{1,5}$/.test(text) && port >= 1 && port <= 65_535;
  return valid ? { ok: true, value: port } : invalid(`'${text}' is not a port (1-65535)`);
}

/** A list of ports, each `N` or iptables' range `N:M`, kept as text. */
export function parsePorts(text: string): Parsed<readonly string[]> {
  return parseEach(splitList(text), parsePortRange);
}

/** `*`, or a list of ports. */
export function parsePortSelection(text: string): Parsed<Selection<string>> {
  return text.trim() === '*' ? { ok: true, value: '*' } : parsePorts(text);
}

/** A list of IPv4 and IPv6 ranges in CIDR form. */
export function parseRanges(text: string): Parsed<Ranges> {
  const parsed = parseEach(splitList(text), parseRange);
  if (!parsed.ok) return parsed;
  const isV6 = (range: string): boolean => range.includes(':');
  return { ok: true, value: { v4: parsed.value.filter((range) => !isV6(range)), v6: parsed.value.filter(isV6) } };
}

/** `*`, or a list of ranges. */
export function parseRangeSelection(text: string): Parsed<'*' | Ranges> {
  return text.trim() === '*' ? { ok: true, value: '*' } : parseRanges(text);
}

/** `ADDRESS/BITS`; an IPv6 address comes back in its shortest form. */
export function parseRange(text: string): Parsed<string> {
  const [, address = '', bits = ''] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? [];
  if (isIPv4(address) && Number(bits) <= 32) return { ok: true, value: `${address}/${Number(bits)}` };
  if (isPlainIPv6(address) && Number(bits) <= 128) return { ok: true, value: `${shortest(address)}/${Number(bits)}` };
  const lone = isIPv4(text) ? `, did you mean ${text}/32?` : isPlainIPv6(text) ? `, did you mean ${text}/128?` : '';
  return invalid(`'${text}' is not an address range such as 10.0.0.0/8 or fd00::/8${lone}`);
}

/** The IPv4 range that counts as the application's own loopback: within 127.0.0.0/8 (istio-iptables demands a mask of 8 to 32 bits). */
export function parseLoopbackRange(text: string): Parsed<string> {
  const range = parseRange(text);
  if (!range.ok) return range;
  const bits = Number(range.value.split('/')[1]);
  const loopback = isIPv4(addressOf(range.value)) && isLoopback(range.value) && bits >= 8;
  return loopback ? range : invalid(`'${text}' is not an IPv4 range within 127.0.0.0/8`);
}

/** Whether a range begins in loopback (127.0.0.0/8 or ::1): the application's own traffic to itself is asked for. */
export function isLoopback(range: string): boolean {
  const address = addressOf(range);
  return address.startsWith('127.') || address === '::1';
}

/** A list of network interfaces; a final `+` stands for any ending, as in iptables. */
export function parseInterfaces(text: string): Parsed<readonly string[]> {
  return parseEach(splitList(text), (name) =>
    // The kernel takes 15 bytes without '/' and spaces; what a restore file or an option could be made of is left out too.
    /^[A-Za-z0-9_.@:+~][\w.@:+~-]{0,14}$/.test(name) ? { ok: true, value: name } : invalid(`'${name}' is not the name of a network interface`),
  );
}

/** A list of users or groups: numbers, ranges `N-M`, or names. */
export function parseOwners(text: string): Parsed<readonly string[]> {
  return parseEach(splitList(text), (name) =>
    /^(?:\d{1,10}(?:-\d{1,10})?|[A-Za-z_][\w.-]{0,31}\$?)$/.test(name) ? { ok: true, value: name } : invalid(`'${name}' is not a user or group (a number, a range N-M, or a name)`),
  );
}

/** A whole number from `least` to `most`. */
export function parseNumber(least: number, most: number): (text: string) => Parsed<number> {
  return (text) => {
    const value = /^\d{1,10}$/.test(text) ? Number(text) : NaN;
    return value >= least && value <= most ? { ok: true, value } : invalid(`'${text}' is not a whole number from ${least} to ${most}`);
  };
}

/** Go's spellings of true and false (strconv.ParseBool), which istio-iptables reads. */
export function parseBoolean(text: string): Parsed<boolean> {
  if (/^(?:1|t|true)$/i.test(text)) return { ok: true, value: true };
  return /^(?:0|f|false)$/i.test(text) ? { ok: true, value: false } : invalid(`'${text}' is not true or false`);
}

export function invalid(message: string): { readonly ok: false; readonly message: string } {
  return { ok: false, message };
}

function parsePortRange(text: string): Parsed<string> {
  const [first = '', last = first, ...rest] = text.split(':');
  const valid = rest.length === 0 && parsePort(first).ok && parsePort(last).ok && Number(first) <= Number(last);
  return valid ? { ok: true, value: text } : invalid(`'${text}' is not a port (1-65535) or a range N:M`);
}

function parseEach<T>(parts: readonly string[], parse: (part: string) => Parsed<T>): Parsed<readonly T[]> {
  const values: T[] = [];
  for (const part of parts) {
    const parsed = parse(part);
    if (!parsed.ok) return parsed;
    values.push(parsed.value);
  }
  return { ok: true, value: values };
}

function addressOf(range: string): string {
  return range.split('/')[0] ?? '';
}

/** Without a zone (`fe80::1%eth0`), which no range has. */
function isPlainIPv6(text: string): boolean {
  return isIPv6(text) && !text.includes('%');
}

function shortest(address: string): string {
  return new SocketAddress({ address, family: 'ipv6' }).address;
}
