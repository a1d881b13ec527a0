/** Limits of requests and attempts: gRPC's header, which of two limits counts, and what the upstream is told. */

import t from 'tap';
import { effectivePerTryMs, expectedTimeoutMs, grpcTimeoutMs, parseGrpcTimeout } from '../../../../proxy/router/timeouts.ts';

t.test('grpc-timeout', (t) => {
  const rows: [string, number | undefined][] = [
    ['1H', 3_600_000], ['2M', 120_000], ['3S', 3000], ['250m', 250], ['1500u', 2], ['1n', 1], ['0m', 0], ['99999999m', 99_999_999],
    ['', undefined], ['m', undefined], ['1', undefined], ['1s', undefined], ['-1m', undefined], ['1.5S', undefined], ['123456789m', undefined], [' 1m', undefined],
  ];
  for (const [value, expected] of rows) t.equal(parseGrpcTimeout(value), expected, JSON.stringify(value));
  t.end();
});

t.test('what a gRPC request asks for is capped by the route', (t) => {
  const rows: [asked: string | undefined, route: number | undefined, expected: number | undefined][] = [
    [undefined, undefined, undefined],
    [undefined, 500, 500],
    ['250m', undefined, 250],
    ['250m', 500, 250],
    ['2S', 500, 500],
    ['0m', undefined, undefined],
    ['0m', 500, 500],
    ['soon', 500, 500],
    ['soon', undefined, undefined],
  ];
  for (const [asked, route, expected] of rows) t.equal(grpcTimeoutMs(asked, route), expected, `${asked} ${route}`);
  t.end();
});

t.test('a per-try limit that is no shorter than the whole counts for nothing', (t) => {
  t.equal(effectivePerTryMs(100, undefined), 100);
  t.equal(effectivePerTryMs(100, 101), 100);
  t.equal(effectivePerTryMs(100, 100), undefined);
  t.equal(effectivePerTryMs(undefined, 100), undefined);
  t.end();
});

t.test('what the upstream is told: the smaller of the two, never 0, nothing without a limit', (t) => {
  const rows: [perTry: number | undefined, left: number | undefined, expected: number | undefined][] = [
    [undefined, undefined, undefined],
    [100, undefined, 100],
    [undefined, 1000, 1000],
    [100, 1000, 100],
    [100, 42.2, 43],
    [100, 0, 1],
    [100, -5, 1],
  ];
  for (const [perTry, left, expected] of rows) t.equal(expectedTimeoutMs(perTry, left), expected, `${perTry} ${left}`);
  t.end();
});
