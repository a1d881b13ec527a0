/** PROXY protocol headers: the forms of the specification, and what our own listener makes of them. */

import t from 'tap';
import { parseProxyHeader } from '../../../../proxy/listener/proxy-protocol.ts';
import { proxyHeader } from '../../../../proxy/upstream/proxy-header.ts';

const rows = [
  { remoteAddress: '10.0.0.9:41234', localAddress: '10.0.0.1:80', text: 'PROXY TCP4 10.0.0.9 10.0.0.1 41234 80\r\n', hex: '0d0a0d0a000d0a515549540a2111000c0a0000090a000001a1120050' },
  { remoteAddress: '[2001:db8::9]:41234', localAddress: '[::1]:80', text: 'PROXY TCP6 2001:db8::9 ::1 41234 80\r\n', hex: '0d0a0d0a000d0a515549540a2121002420010db800000000000000000000000900000000000000000000000000000001a1120050' },
  { remoteAddress: '[fe80::1]:1', localAddress: '10.0.0.1:80', text: 'PROXY UNKNOWN\r\n', hex: '0d0a0d0a000d0a515549540a20000000' },
  { remoteAddress: '', localAddress: '10.0.0.1:80', text: 'PROXY UNKNOWN\r\n', hex: '0d0a0d0a000d0a515549540a20000000' },
] as const;

for (const { text, hex, ...addresses } of rows) {
  t.test(`${addresses.remoteAddress} to ${addresses.localAddress}`, async (t) => {
    t.equal(proxyHeader('V1', addresses).toString(), text);
    t.equal(proxyHeader('V2', addresses).toString('hex'), hex);
    for (const version of ['V1', 'V2'] as const) {
      const header = proxyHeader(version, addresses);
      const parsed = parseProxyHeader(header);
      t.match(parsed, { kind: 'header', length: header.length });
      const told = parsed.kind === 'header' ? parsed.addresses : undefined;
      const known = text.includes('UNKNOWN') ? undefined : { source: portOf(addresses.remoteAddress), destination: portOf(addresses.localAddress) };
      t.same(told === undefined ? undefined : { source: told.source.port, destination: told.destination.port }, known);
    }
  });
}

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(':') + 1));
}
