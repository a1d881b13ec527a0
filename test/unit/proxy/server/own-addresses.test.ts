/** The addresses of this machine. */

import { networkInterfaces } from 'node:os';
import t from 'tap';
import { createOwnAddresses, hasIPv6 } from '../../../../proxy/server/own-addresses.ts';

t.test('whether others may use IPv6', (t) => {
  t.notOk(hasIPv6(device('127.0.0.1', '::1')), 'loopback only');
  t.notOk(hasIPv6(device('127.0.0.1', '10.0.0.5', 'fe80::1')), 'a link-local address is nobody\'s destination');
  t.ok(hasIPv6(device('127.0.0.1', '10.0.0.5', 'fd00::5')));
  t.ok(hasIPv6(device('fd00::5')));
  t.type(hasIPv6(), 'boolean');
  t.end();
});

t.test('what leads back to this machine', (t) => {
  const own = createOwnAddresses();
  const all = Object.values(networkInterfaces()).flatMap((addresses) => (addresses ?? []).map(({ address }) => address));
  for (const address of [...all, '127.0.0.6', '::1', '0.0.0.0', '::', 'localhost', '::ffff:127.0.0.1']) t.ok(own.has(address), address);
  t.notOk(own.has('192.0.2.1'));
  t.end();
});

function device(...addresses: readonly string[]): ReturnType<typeof networkInterfaces> {
  const base = { netmask: '', mac: '', cidr: null };
  return {
    eth0: addresses.map((address) => {
      const internal = address === '127.0.0.1' || address === '::1';
      if (!address.includes(':')) return { ...base, address, internal, family: 'IPv4' };
      return { ...base, address, internal, family: 'IPv6', scopeid: address.startsWith('fe80:') ? 2 : 0 };
    }),
  };
}
