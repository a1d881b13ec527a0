/** Rows 17 and the conntrack zones of istio-api.md 15.3: DNS of the application to the port of a DNS proxy. */

import { CHAINS, DNS_CAPTURE_PORT, type Family } from './constants.ts';
import type { CaptureOptions } from './options.ts';
import { append, type Rule } from './rule.ts';

/** None where DNS is not captured. */
export function dnsRules(options: CaptureOptions, family: Family): readonly Rule[] {
  if (options.dns === 'off') return [];
  const servers = options.dns === 'all' ? undefined : options.dns[family];
  const destinations = servers === undefined ? [''] : servers.map((server) => `-d ${server} `);
  const sources = servers === undefined ? [''] : servers.map((server) => `-s ${server} `);
  return [
    append('raw', 'OUTPUT', `-j ${CHAINS.dns}`),
    ...(destinations.length === 0 ? [] : [append('nat', CHAINS.output, `-j ${CHAINS.dns}`)]),
    ...destinations.map((server) => append('nat', CHAINS.dns, `-p tcp --dport 53 ${server}-j REDIRECT --to-ports ${DNS_CAPTURE_PORT}`)),
    // istio-iptables writes --to-port here, a shorter spelling of the same option.
    ...destinations.map((server) => append('nat', CHAINS.dns, `-p udp --dport 53 ${server}-j REDIRECT --to-port ${DNS_CAPTURE_PORT}`)),
    ...options.proxyUids.flatMap((uid) => proxyZones(`--uid-owner ${uid}`)),
    ...options.proxyGids.flatMap((gid) => proxyZones(`--gid-owner ${gid}`)),
    ...(sources.length === 0 ? [] : [append('raw', 'PREROUTING', `-j ${CHAINS.inbound}`)]),
    ...destinations.flatMap((server, index) => [
      append('raw', CHAINS.dns, `-p udp --dport 53 ${server}-j CT --zone 2`),
      append('raw', CHAINS.inbound, `-p udp --sport 53 ${sources[index]}-j CT --zone 1`),
    ]),
  ];
}

/**
 * Two conntrack zones, because the same question travels twice, from application to DNS proxy (2) and from there to the
 * server (1): with one zone, answers are matched with the wrong one when ports coincide.
 */
function proxyZones(owner: string): readonly Rule[] {
  return [
    append('raw', CHAINS.dns, `-p udp --dport 53 -m owner ${owner} -j CT --zone 1`),
    append('raw', CHAINS.dns, `-p udp --sport ${DNS_CAPTURE_PORT} -m owner ${owner} -j CT --zone 2`),
  ];
}
