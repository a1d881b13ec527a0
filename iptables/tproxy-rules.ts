/** TPROXY mode of istio-api.md 15.3: inbound connections reach the proxy with their addresses as they are, by packet marks and a route. */

import { CHAINS, PASSTHROUGH_SOURCE, TPROXY_OUTBOUND_MARK, type Family } from './constants.ts';
import type { CaptureOptions } from './options.ts';
import { append, insert, type Rule } from './rule.ts';

/** In place of rows 4-6, in the mangle table. Established connections take the route at once, new ones find the proxy's socket. */
export function tproxyInboundRules(options: CaptureOptions, loopback: string): readonly Rule[] {
  const { inboundPorts, inboundPortsExclude, tproxyMark, inboundPort } = options;
  const captured = inboundPorts === '*' ? [''] : inboundPorts.map((port) => `--dport ${port} `);
  const excluded = inboundPorts === '*' ? inboundPortsExclude : [];
  return [
    append('mangle', CHAINS.divert, `-j MARK --set-mark ${tproxyMark}`),
    append('mangle', CHAINS.divert, '-j ACCEPT'),
    append('mangle', CHAINS.tproxy, `! -d ${loopback} -p tcp -j TPROXY --tproxy-mark ${tproxyMark}/0xffffffff --on-port ${inboundPort}`),
    append('mangle', 'PREROUTING', `-p tcp -j ${CHAINS.inbound}`),
    ...excluded.map((port) => append('mangle', CHAINS.inbound, `-p tcp --dport ${port} -j RETURN`)),
    ...captured.flatMap((port) => [
      append('mangle', CHAINS.inbound, `-p tcp ${port}-m conntrack --ctstate RELATED,ESTABLISHED -j ${CHAINS.divert}`),
      append('mangle', CHAINS.inbound, `-p tcp ${port}-j ${CHAINS.tproxy}`),
    ]),
  ];
}

/** Marks that let answers find their way back and keep the proxy's own connections out. After everything else. */
export function tproxyMarkRules(options: CaptureOptions, loopback: string, family: Family): readonly Rule[] {
  const mark = options.tproxyMark;
  const toSelf = (owner: string): Rule => append('mangle', 'OUTPUT', `! -d ${loopback} -p tcp -o lo -m owner ${owner} -j MARK --set-mark ${TPROXY_OUTBOUND_MARK}`);
  return [
    append('mangle', 'PREROUTING', `-p tcp -m mark --mark ${mark} -j CONNMARK --save-mark`),
    append('mangle', 'OUTPUT', `-p tcp -o lo -m mark --mark ${mark} -j RETURN`),
    ...options.proxyUids.map((uid) => toSelf(`--uid-owner ${uid}`)),
    ...options.proxyGids.map((gid) => toSelf(`--gid-owner ${gid}`)),
    append('mangle', 'OUTPUT', `-p tcp -m connmark --mark ${mark} -j CONNMARK --restore-mark`),
    insert('mangle', CHAINS.inbound, 1, `-p tcp -m mark --mark ${mark} -j RETURN`),
    insert('mangle', CHAINS.inbound, 2, `-p tcp -s ${PASSTHROUGH_SOURCE[family]} -i lo -j RETURN`),
    insert('mangle', CHAINS.inbound, 3, `-p tcp -i lo -m mark ! --mark ${TPROXY_OUTBOUND_MARK} -j RETURN`),
  ];
}
