/** Row 15: one authority for the route, the log and the upstream; anything ambiguous is refused. */

import type { Case, Expected } from '../case.ts';
import { after, emptyReply, refusal, served } from './forms.ts';

const authority = 'http.invalid_authority';

function host(name: string, lines: readonly string[], expect: Expected = refusal(400, authority), target = '/'): Case {
  return { row: 'D.2 15', name, send: [`GET ${target} HTTP/1.1`, ...lines, '', ''].join('\r\n'), expect };
}

/** Outbound policy REGISTRY_ONLY for a host that nobody declares. */
export function blocked(hostInLog: string): Expected {
  const log = { code: 502, flags: '-', details: 'direct_response', route: 'block_all', authority: hostInLog };
  return { ...emptyReply(502, log, false), log: [log, after] };
}

/** Envoy lets it through to the routes, where nothing fits. */
function laxHost(reason: string, hostInLog: string): { readonly reason: string; readonly expect: Expected } {
  return { reason, expect: blocked(hostInLog) };
}

const toApp = served({ has: [/\r\nhost: app\.test\r\n/i], lacks: [/other\.test/] }, {}, { authority: 'app.test' });

export const hostCases: readonly Case[] = [
  host('absolute form over another Host', ['Host: other.test'], toApp, 'http://app.test/abs'),
  host('absolute form carries its path', ['Host: app.test'], served({ has: [/^GET \/abs\?q=1 HTTP/] }), 'http://app.test/abs?q=1'),
  host('absolute form without Host', [], toApp, 'http://app.test/'),
  host('absolute form without a path', ['Host: app.test'], served({ has: [/^GET \/ HTTP/] }), 'http://app.test'),
  host('absolute form in capitals', ['Host: app.test'], served({ has: [/^GET \/ HTTP/] }), 'HTTP://app.test/'),
  host('absolute form with userinfo', ['Host: app.test'], served({ has: [/\r\nhost: app\.test\r\n/i], lacks: [/user/] }), 'http://user:pass@app.test/'),
  host('absolute form of https', ['Host: app.test'], served(), 'https://app.test/'),
  host('absolute form of another scheme', ['Host: app.test'], refusal(400, 'http1.invalid_scheme'), 'ftp://app.test/'),
  host('absolute form with a bad port', ['Host: app.test'], refusal(400, /^http1?\./), 'http://app.test:99999/'),
  host('absolute form with an empty authority', ['Host: app.test'], refusal(400, /^http1?\./), 'http:///x'),
  host('absolute form with a query but no path', ['Host: app.test'], queryOnly(), 'http://app.test?q'),

  {
    ...host('two Hosts', ['Host: app.test', 'Host: other.test']),
    expect: refusal(400, /./),
    envoy: laxHost('Envoy joins the two by a comma', 'app.test,other.test'),
  },
  {
    ...host('two equal Hosts', ['Host: app.test', 'Host: app.test']),
    expect: refusal(400, /./),
    envoy: laxHost('Envoy joins the two by a comma', 'app.test,app.test'),
  },
  {
    ...host('a Host and an empty one', ['Host: app.test', 'Host:']),
    expect: refusal(400, /./),
    envoy: { reason: 'Envoy passes over the empty one', expect: served() },
  },
  host('a list of hosts', ['Host: app.test, other.test']),
  host('a host with a blank', ['Host: app test']),
  host('a host with a slash', ['Host: app.test/x']),
  host('a host with a backslash', ['Host: app.test\\x']),
  host('a host with a question mark', ['Host: app.test?x']),
  host('a host with a hash', ['Host: app.test#x']),
  host('a host with 0x80', ['Host: app.test\x80']),
  host('a host with a quote', ['Host: app.test"']),
  { ...host('a host with userinfo', ['Host: user@app.test']), expect: refusal(400, /./), envoy: laxHost('Envoy takes any authority that no route fits', 'user@app.test') },
  { ...host('an empty Host', ['Host:']), expect: refusal(400, /./), or: emptyReply(400, { code: 400, flags: '-', details: 'missing_host_header' }, true), envoy: laxHost('Envoy takes the empty one as given', '') },
  { ...host('a host with a port that is no number', ['Host: app.test:abc']), expect: refusal(400, /./), envoy: laxHost('Envoy takes any port that no route fits', 'app.test:abc') },
  { ...host('a host with a negative port', ['Host: app.test:-1']), expect: refusal(400, /./), envoy: laxHost('Envoy takes any port that no route fits', 'app.test:-1') },
  { ...host('a host with port 65536', ['Host: app.test:65536']), expect: refusal(400, /./), envoy: laxHost('Envoy takes any port that no route fits', 'app.test:65536') },
  host('a host with its port', ['Host: app.test:80'], served({ has: [/\r\nhost: app\.test:80\r\n/i] }, {}, { authority: 'app.test:80' })),
  host('a host in capitals', ['Host: APP.Test'], served()),
  host('a host with a trailing dot is another host', ['Host: app.test.'], blocked('app.test.')),
];

function queryOnly(): Expected {
  const log = { code: 404, flags: '-', details: 'absolute_path_rejected' };
  return { ...emptyReply(404, log, false), log: [log, after] };
}
