/** What becomes of connections on a capture listener, and how the kernel's addresses are read. */

import t from 'tap';
import { decideInterception, type InterceptionMode } from '../../../../proxy/listener/interception.ts';
import { loadOriginalDestination, readIpv4, readIpv6, renderIpv6 } from '../../../../proxy/listener/original-destination.ts';
import type { Destination } from '../../../../proxy/stream/connection-facts.ts';

const LOCAL: Destination = { address: '10.0.0.9', port: 15_001 };

t.test('direct, redirected, refused', async (t) => {
  const rows: readonly (readonly [mode: InterceptionMode, original: string | undefined, seen: boolean, outcome: string])[] = [
    ['auto', undefined, false, 'direct'],
    ['auto', undefined, true, 'refused'],
    ['auto', '10.0.0.9 15001', false, 'direct'],
    ['auto', '10.0.0.9 15001', true, 'refused'],
    ['auto', '10.0.0.5 5432', false, 'redirected'],
    ['auto', '10.0.0.5 5432', true, 'redirected'],
    ['auto', '10.0.0.9 80', false, 'redirected'],
    ['auto', '10.0.0.5 15001', false, 'loop'],
    ['auto', '10.0.0.5 15006', true, 'loop'],
    ['redirect', undefined, false, 'refused'],
    ['redirect', '10.0.0.9 15001', false, 'refused'],
    ['redirect', '10.0.0.5 80', false, 'redirected'],
    ['redirect', '10.0.0.5 15006', false, 'loop'],
    ['none', '10.0.0.5 80', true, 'direct'],
    ['none', undefined, true, 'direct'],
  ];
  for (const [mode, text, seen, outcome] of rows) {
    const [address = '', port] = (text ?? '').split(' ');
    const original = text === undefined ? undefined : { address, port: Number(port) };
    const decided = decideInterception({ mode, original, seen, local: () => LOCAL, boundPort: LOCAL.port, isOwn: (_address, own) => own === 15_001 || own === 15_006 });
    t.equal(decided.kind, outcome, `${mode}, ${text ?? 'nothing known'}${seen ? ', seen before' : ''}`);
    if (decided.kind === 'redirected') t.same(decided.destination, original);
  }
});

t.test('the socket is asked for its address only where the port leaves it open', async (t) => {
  const decided = decideInterception({ mode: 'auto', original: { address: '10.0.0.5', port: 80 }, seen: false, boundPort: 15_001, isOwn: () => false, local: () => t.fail('asked') as never });
  t.equal(decided.kind, 'redirected');
});

t.test('addresses of the kernel', async (t) => {
  t.same(readIpv4(Buffer.from('02001538c0000201', 'hex')), { address: '192.0.2.1', port: 5432 });
  t.same(readIpv6(Buffer.from('0a00005000000000'.concat('20010db8000000000000000000000001', '00000000'), 'hex')), { address: '2001:db8::1', port: 80 });
  const rows = {
    '00000000000000000000000000000000': '::',
    '00000000000000000000000000000001': '::1',
    'fe800000000000000000000000000000': 'fe80::',
    '20010db8000100000000000200000003': '2001:db8:1::2:0:3',
    '20010db8000000010002000300040005': '2001:db8:0:1:2:3:4:5',
    '00000000000000000000ffff0a000001': '10.0.0.1',
    '00010000000000020000000000000003': '1:0:0:2::3',
  };
  for (const [hex, text] of Object.entries(rows)) t.equal(renderIpv6(Buffer.from(hex, 'hex')), text);
});

t.test('elsewhere than on Linux there is none, and that is said', async (t) => {
  t.match(await loadOriginalDestination('darwin'), { problem: /darwin/ });
});
