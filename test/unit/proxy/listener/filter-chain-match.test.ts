/** Envoy's order of filter chain match, by table; and that the number of chains does not matter. */

import t from 'tap';
import type { FilterChainMatch } from '../../../../config/runtime/filter-chain.ts';
import { FilterChainMatcher } from '../../../../proxy/listener/filter-chain-match.ts';

type Chains = Readonly<Record<string, FilterChainMatch>>;

interface Connection {
  readonly to?: string;
  readonly tls?: boolean;
  readonly sni?: string;
  readonly protocols?: readonly string[];
}

function matcherOf(chains: Chains): FilterChainMatcher<string> {
  const matcher = new FilterChainMatcher<string>();
  for (const [name, match] of Object.entries(chains)) matcher.add(match, name);
  return matcher;
}

function chainOf(matcher: FilterChainMatcher<string>, { to = '10.0.0.1 80', tls, sni, protocols = [] }: Connection): string | undefined {
  const [address = '', port] = to.split(' ');
  return matcher.candidates({ address, port: Number(port) })?.match({ transport: tls === true || sni !== undefined ? 'tls' : 'plain', serverName: sni, protocols });
}

const GROUPS: readonly { readonly name: string; readonly chains: Chains; readonly rows: readonly (readonly [Connection, string | undefined])[] }[] = [
  {
    name: 'the port comes first, and nothing goes back',
    chains: {
      any: {},
      port: { destinationPort: 80, serverNames: ['a.example'] },
      address: { destinationRanges: ['10.0.0.1/32'] },
    },
    rows: [
      [{ sni: 'a.example' }, 'port'],
      [{ sni: 'b.example' }, undefined],
      [{ to: '10.0.0.1 81' }, 'address'],
      [{ to: '10.0.0.2 81' }, 'any'],
    ],
  },
  {
    name: 'the longest prefix, of its family',
    chains: {
      eight: { destinationRanges: ['10.0.0.0/8'] },
      sixteen: { destinationRanges: ['10.1.99.99/16', '192.168.0.0/16'], serverNames: ['a.example'] },
      one: { destinationRanges: ['10.1.0.1'] },
      six: { destinationRanges: ['2001:db8::/32'] },
      all6: { destinationRanges: ['::/0'] },
    },
    rows: [
      [{ to: '10.2.0.1 1' }, 'eight'],
      [{ to: '10.1.0.1 1' }, 'one'],
      [{ to: '10.1.0.2 1', sni: 'a.example' }, 'sixteen'],
      [{ to: '10.1.0.2 1' }, undefined],
      [{ to: '192.168.9.9 1', sni: 'a.example' }, 'sixteen'],
      [{ to: '2001:db8::7 1' }, 'six'],
      [{ to: '2001:db9::7 1' }, 'all6'],
      [{ to: '::ffff:10.1.0.1 1' }, 'one'],
      [{ to: '11.0.0.1 1' }, undefined],
    ],
  },
  {
    name: 'server names: exact, the longest suffix, none',
    chains: {
      exact: { serverNames: ['a.b.example', 'example'] },
      near: { serverNames: ['*.b.example'] },
      far: { serverNames: ['*.example'], applicationProtocols: ['h2'] },
      star: { serverNames: ['*'], transport: 'tls' },
      none: {},
    },
    rows: [
      [{ sni: 'a.b.example' }, 'exact'],
      [{ sni: 'example' }, 'exact'],
      [{ sni: 'x.b.example' }, 'near'],
      [{ sni: 'x.y.b.example' }, 'near'],
      [{ sni: 'c.example', protocols: ['h2'] }, 'far'],
      [{ sni: 'c.example' }, undefined],
      [{ sni: 'other' }, 'star'],
      [{ tls: true }, 'star'],
      [{}, 'none'],
    ],
  },
  {
    name: 'a chain that names a transport hides those that name none',
    chains: {
      mesh: { transport: 'tls', applicationProtocols: ['istio', 'istio-http/1.1'] },
      http: { applicationProtocols: ['http/1.1', 'h2c'] },
      bytes: {},
    },
    rows: [
      [{ tls: true, protocols: ['h2', 'istio'] }, 'mesh'],
      [{ tls: true, protocols: ['http/1.1'] }, undefined],
      [{ protocols: ['http/1.1'] }, 'http'],
      [{ protocols: ['h2c'] }, 'http'],
      [{ protocols: ['http/1.0'] }, 'bytes'],
      [{}, 'bytes'],
    ],
  },
  {
    name: 'protocols in the order in which the client offers them; of equal chains the first',
    chains: { two: { applicationProtocols: ['h2'] }, one: { applicationProtocols: ['http/1.1'] }, again: { applicationProtocols: ['h2'] } },
    rows: [
      [{ tls: true, protocols: ['http/1.1', 'h2'] }, 'one'],
      [{ tls: true, protocols: ['spdy', 'h2'] }, 'two'],
    ],
  },
];

t.test('which chain takes a connection', async (t) => {
  for (const { name, chains, rows } of GROUPS) {
    const matcher = matcherOf(chains);
    for (const [connection, chain] of rows) t.equal(chainOf(matcher, connection), chain, `${name}: ${JSON.stringify(connection)}`);
  }
});

t.test('what must be looked at depends on where the connection goes', async (t) => {
  const matcher = new FilterChainMatcher<string>();
  matcher.add({ destinationPort: 3306 }, 'declared');
  matcher.add({ destinationPort: 80, applicationProtocols: ['http/1.1'] }, 'http');
  matcher.add({ destinationPort: 81, transport: 'plain' }, 'plain');
  matcher.add({ destinationPort: 443 }, 'terminated', true);
  matcher.add({ destinationPort: 8443, transport: 'tls', applicationProtocols: ['http/1.1'] }, 'https');
  const wants = (port: number): unknown => {
    const { wantsTls, wantsHttp } = matcher.candidates({ address: '10.0.0.1', port }) ?? {};
    return { wantsTls, wantsHttp };
  };
  t.same(wants(3306), { wantsTls: false, wantsHttp: false }, 'a server that speaks first is not waited for');
  t.same(wants(80), { wantsTls: true, wantsHttp: true });
  t.same(wants(81), { wantsTls: true, wantsHttp: false });
  t.same(wants(443), { wantsTls: true, wantsHttp: false }, 'who terminates TLS sees the ClientHello');
  t.same(wants(8443), { wantsTls: true, wantsHttp: false });
  t.same(wants(1), { wantsTls: undefined, wantsHttp: undefined });
  t.notOk(matcher.ignoresDestination);
  t.ok(matcherOf({ any: { serverNames: ['a'] } }).ignoresDestination);
});

t.test('thousands of chains cost what a few cost', async (t) => {
  const many: Record<string, FilterChainMatch> = {};
  for (let n = 0; n < 5000; n++) many[`c${n}`] = { destinationPort: 5432, destinationRanges: [`10.${n >> 8}.${n & 255}.1/32`], serverNames: [`h${n}.example`, `*.h${n}.example`] };
  const matcher = matcherOf(many);
  const timeOf = (rounds: number): number => {
    const start = performance.now();
    for (let n = 0; n < rounds; n++) chainOf(matcher, { to: `10.${(n % 5000) >> 8}.${n & 255}.1 5432`, sni: `x.h${n % 5000}.example` });
    return (performance.now() - start) / rounds;
  };
  t.equal(chainOf(matcher, { to: '10.19.135.1 5432', sni: 'x.h4999.example' }), 'c4999');
  timeOf(2000);
  t.ok(timeOf(2000) < 0.5, 'far from a walk along the list');
});
