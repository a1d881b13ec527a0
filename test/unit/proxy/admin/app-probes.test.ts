/** ISTIO_KUBE_APP_PROBERS to probes, and from where a probe is sent. */

import t from 'tap';
import { hostAndPort, probeTarget } from '../../../../proxy/admin/app-probe/outcome.ts';
import { parseAppProbes } from '../../../../proxy/admin/app-probe/probes.ts';

t.test('what Istio\'s injector writes', async (t) => {
  const text = JSON.stringify({
    '/app-health/web/livez': { httpGet: { path: 'live', port: 8080 } },
    '/app-health/web/readyz': { httpGet: { path: '/ready?full=1', port: 8443, scheme: 'HTTPS', httpHeaders: [{ name: 'a', value: 'b' }] }, timeoutSeconds: 3 },
    '/app-health/db/startupz': { tcpSocket: { port: 5432 }, timeoutSeconds: 0 },
    '/app-health/grpc/livez': { grpc: { port: 9000, service: null } },
    '/app-health/grpc/readyz': { grpc: { port: 9000, service: 'a.B' } },
    '/app-lifecycle/web/prestopz': { httpGet: { port: 1 } },
    '/app-lifecycle/web/poststartz': { httpGet: { scheme: '', path: '', port: 65_535 } },
  });
  t.same(parseAppProbes(text), {
    ok: true,
    value: {
      '/app-health/web/livez': { kind: 'httpGet', port: 8080, timeoutMs: 1000, path: '/live', scheme: 'http' },
      '/app-health/web/readyz': { kind: 'httpGet', port: 8443, timeoutMs: 3000, path: '/ready?full=1', scheme: 'https' },
      '/app-health/db/startupz': { kind: 'tcpSocket', port: 5432, timeoutMs: 1000 },
      '/app-health/grpc/livez': { kind: 'grpc', port: 9000, timeoutMs: 1000, service: '' },
      '/app-health/grpc/readyz': { kind: 'grpc', port: 9000, timeoutMs: 1000, service: 'a.B' },
      '/app-lifecycle/web/prestopz': { kind: 'httpGet', port: 1, timeoutMs: 1000, path: '/', scheme: 'http' },
      '/app-lifecycle/web/poststartz': { kind: 'httpGet', port: 65_535, timeoutMs: 1000, path: '/', scheme: 'http' },
    },
  });
  t.same(parseAppProbes('{}'), { ok: true, value: {} });
});

t.test('what is refused', async (t) => {
  const at = '/app-health/web/livez';
  const rows: readonly [text: unknown, message: RegExp][] = [
    ['{', /^is not a JSON object$/],
    [[], /^is not a JSON object$/],
    [{ '/healthz/ready': { httpGet: { port: 1 } } }, /^\/healthz\/ready is not \/app-health\/CONTAINER\/livez/],
    [{ '/app-health/a/b/livez': {} }, /^\/app-health\/a\/b\/livez is not/],
    [{ [at]: 7 }, /livez: must be an object$/],
    [{ [at]: {} }, /livez: must have one of httpGet, tcpSocket and grpc$/],
    [{ [at]: { grpc: { port: 1 }, tcpSocket: { port: 1 } } }, /livez: must have one of/],
    [{ [at]: { httpGet: 'x' } }, /livez: httpGet must be an object$/],
    [{ [at]: { httpGet: { port: 'web' } } }, /livez: httpGet.port must be a number from 1 to 65535$/],
    [{ [at]: { tcpSocket: { port: 65_536 } } }, /livez: tcpSocket.port must be/],
    [{ [at]: { grpc: { port: 1, service: 5 } } }, /livez: grpc.service must be text$/],
    [{ [at]: { httpGet: { port: 1, path: 'a b' } } }, /livez: httpGet.path must be text without spaces$/],
    [{ [at]: { httpGet: { port: 1, path: '/\r\nHost: x' } } }, /httpGet.path/],
    [{ [at]: { httpGet: { port: 1, scheme: 'ftp' } } }, /livez: httpGet.scheme must be HTTP or HTTPS$/],
    [{ [at]: { httpGet: { port: 1 }, timeoutSeconds: 0.5 } }, /livez: timeoutSeconds must be a whole number$/],
  ];
  for (const [value, message] of rows) {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    const parsed = parseAppProbes(text);
    t.match(parsed.ok ? 'accepted' : parsed.message, message, text);
  }
});

t.test('probes go beside the interception', async (t) => {
  t.same(probeTarget('10.1.2.3', 80), { address: '10.1.2.3', port: 80, localAddress: '127.0.0.6' });
  t.same(probeTarget('fd00::3', 80), { address: 'fd00::3', port: 80, localAddress: '::6' });
  t.same(probeTarget('127.0.0.1', 80), { address: '127.0.0.1', port: 80 });
  t.same(probeTarget('::1', 80), { address: '::1', port: 80 });
  t.same(probeTarget('', 80), { address: '127.0.0.1', port: 80 });
  t.equal(hostAndPort('fd00::3', 80), '[fd00::3]:80');
});
